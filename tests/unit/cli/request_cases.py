"""Command lines of all kinds and what Docker's own command (28.2) asked for them: the oracle of test_requests.

python tests/unit/cli/request_cases.py        record them again, with the docker command on PATH
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("data") / "requests.json"

CASES = """
run img a
run -d img
run -d --name x --rm img
run --rm img
run -i img
run --rm -i -a stdin img
run --detach-keys ctrl-a img
run --pull always img
create img
start a
start a b
start -a a
start -ai a
stop a
stop -t 3 -s INT a
restart a
restart -t 0 a
kill a
kill -s HUP a
pause a
unpause a
wait a
rm a
rm -fv a
rm -l a
rename a b
update --memory 100m --restart always a
update --cpus 1.5 --pids-limit 5 a
exec a ls -l
exec -d -e A=1 -w /w -u 5 --privileged a ls
exec -i a cat
logs a
logs -f --tail 5 -t --details a
logs --since 1700000000 --until 2023-01-02T03:04:05Z a
logs --since 2023-01-02T03:04:05.123456789Z a
attach --no-stdin a
top a
top a -o pid,cmd
diff a
port a
commit a
commit -m msg -a me -c 'CMD x' -c 'ENV A=b' -p=false a repo:tag
commit a host:5000/x/y
inspect a
inspect -s a
inspect --type image a
container inspect -s a
image inspect a:1
volume inspect v
network inspect n
network inspect -v n
ps
ps -a -s
ps -n 3
ps -l
ps -f status=running -f label=a=b -f label=c
ps -q --no-trunc
ps --format '{{.Size}}'
ps --format '{{json .}}'
images
images -a
images x
images -f dangling=true x:1
images -q --digests
history x
rmi x
rmi -f --no-prune x y
tag a b
tag a b:2
tag a host:5000/c/d
tag sha256:abc library/x
save a b -o out.tar
image save --platform linux/arm64 a -o out.tar
load -i in.tar
load -q -i in.tar
import in.tar
import -m msg -c 'CMD x' --platform linux/arm64 in.tar x:1
export a -o out.tar
pull x
pull x:1
pull -q host:5000/a/b:2
pull -a x
pull --platform linux/arm64 x
pull x@sha256:0123456789012345678901234567890123456789012345678901234567890123
push x:1
push -q host:5000/x
image prune -f
image prune -f -a --filter until=10h
container prune -f
container prune -f --filter label=a
volume prune -f
volume prune -f -a
network prune -f
system prune -f
system prune -f -a --volumes
volume create
volume create v
volume create -d local --label a=b -o type=tmpfs -o device=tmpfs v
volume ls
volume ls -f dangling=true -q
volume rm v
volume rm -f v w
network ls
network ls -f driver=bridge
network create n
network create -d bridge --internal --attachable --label a=b -o x=y n
network create --subnet 10.1.0.0/16 --gateway 10.1.0.1 --ip-range 10.1.5.0/24 --aux-address a=10.1.0.5 --ipv6 n
network create --subnet 10.1.0.0/16,fd00::/64 --gateway 10.1.0.1 --ipam-driver d --ipam-opt a=b n
network create --config-only --scope local --ipv4=false n
network create --config-from other n
network connect n a
network connect --alias x --ip 10.1.0.9 --link c:d --driver-opt k=v --gw-priority 3 n a
network disconnect n a
network disconnect -f n a
network rm n
network rm -f n
events --since 1700000000 --until 1700000001 -f type=container -f event=start
info
version
system df
cp f a:/x
cp -a f a:/x
stats --no-stream a
""".strip().split("\n")

_IMAGE = {"Id": "sha256:" + "1" * 64, "RepoTags": ["x:1"], "RepoDigests": [], "Created": 0, "Size": 1, "Labels": None}
_IMAGE.update(Containers=0, SharedSize=-1, ParentId="")
_SAMPLE = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "precpu_stats": {"cpu_usage": {"total_usage": 0}}, "id": "a"}
_DF: dict[str, Any] = {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []}
_VERSION = {
    "Version": "1",
    "ApiVersion": "1.51",
    "MinAPIVersion": "1.24",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [],
}
_INFO = {"Containers": 0, "ContainersRunning": 0, "ContainersPaused": 0, "ContainersStopped": 0, "Images": 0, "NCPU": 1}
_INFO.update(MemTotal=1, DockerRootDir="/", Plugins={"Volume": [], "Network": [], "Log": []}, OSType="linux")  # type: ignore[call-overload]
_EXEC = {"ExitCode": 0, "Running": False, "ID": "e"}

REPLIES: dict[str, Any] = {
    "/containers/a/exec": {"Id": "e"},
    "/exec/e/json": _EXEC,
    "/containers/json": [],
    "/images/json": [_IMAGE],
    "/history": [],
    "/top": {"Titles": ["PID"], "Processes": [["1"]]},
    "/changes": [],
    "/commit": {"Id": "sha256:2"},
    "/images/x": [{"Untagged": "x"}],
    "/images/y": [{"Untagged": "y"}],
    "/update": {"Warnings": None},
    "/prune": {"SpaceReclaimed": 0},
    "/volumes/create": {"Name": "v"},
    "/volumes": {"Volumes": [], "Warnings": None},
    "/volumes/v": {"Name": "v", "Driver": "local"},
    "/networks": [],
    "/networks/n": {"Id": "1" * 64, "Name": "n"},
    "/networks/create": {"Id": "1" * 64, "Warning": ""},
    "/events": b"",
    "/logs": b"",
    "/images/get": b"",
    "/export": b"",
    "/load": {"stream": "Loaded image: x:1\n"},
    "/images/create": {"status": "done"},
    "/push": {"status": "done"},
    "/info": _INFO,
    "/version": _VERSION,
    "/system/df": _DF,
    "/stats": _SAMPLE,
    "/tag": (201, b""),
}


def prepare(directory: str) -> None:
    Path(directory, "f").write_text("content\n")
    Path(directory, "in.tar").write_bytes(b"\0" * 1024)


def neutral(requests: list[Any]) -> list[Any]:
    """What must be equal: uploads by their presence only, the create body by test_create_body."""
    found = []
    for method, path, query, body in requests:
        if path == "/containers/create":
            body = None
        query = {key: value for key, value in query.items() if value}
        found.append(
            [method, path, query, "upload" if isinstance(body, bytes) and body else without_zeros(body) or None]
        )
    return found


def without_zeros(value: Any) -> Any:
    """Go's clients send whole structs; a zero and nothing mean the same."""
    if isinstance(value, dict):
        pruned = {key: without_zeros(item) for key, item in value.items()}
        return {key: item for key, item in pruned.items() if item}
    return value


def record() -> None:
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from tests.unit.cli.recorder import Recorder

    found = {}
    for case in CASES:
        recorder = Recorder(REPLIES)
        with tempfile.TemporaryDirectory() as directory:
            prepare(directory)
            done = subprocess.run(
                ["docker", *shlex.split(case)],
                env={"PATH": os.environ["PATH"], "HOME": directory, "DOCKER_HOST": recorder.host},
                cwd=directory,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        recorder.close()
        found[case] = neutral(recorder.requests)
        if done.returncode:
            print(case, done.returncode, done.stderr, file=sys.stderr)
    RECORD.write_text(
        "{\n" + ",\n".join(f"{json.dumps(case)}: {json.dumps(entry)}" for case, entry in found.items()) + "\n}\n"
    )


if __name__ == "__main__":
    record()
