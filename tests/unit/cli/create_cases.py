"""Argument lists of ``create``, and how Docker's own command (28.2) turned each into a request: the oracle of
test_create_body.

    python tests/unit/cli/create_cases.py        record them again with the docker command on PATH (into
    data/create_bodies.json)

The words CWD (the working directory, which holds the files below) stands for a path in both.
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

RECORD = Path(__file__).with_name("data") / "create_bodies.json"
FILES = {
    "env": "# a comment\nA=1\n  B=two words \nEST_GIVEN\nEST_MISSING\n\n",
    "bad-env": "A B=1\n",
    "labels": "a.b=c\nonly\n",
    "seccomp.json": '{\n  "defaultAction": "SCMP_ACT_ALLOW",\n  "syscalls": []\n}\n',
    "not.json": "{",
}
ENVIRONMENT = {"EST_GIVEN": "from outside"}

CASES = """
img
img a b
img -x --rm
--name n1 img
-a stdout img
-a stdin -a STDERR img
-a foo img
-i img
-t img
-it img
--interactive=false img
--rm img
--rm --restart always img
--rm --restart no img
--restart on-failure:3 img
--restart unless-stopped img
--restart :3 img
--restart always:x img
--restart '' img
-e A=1 -e B img
-e EST_GIVEN img
-e =x img
-e A= img
--env-file env img
--env-file env -e A=2 img
--env-file bad-env img
--env-file missing img
-l a=b -l c img
-l =b img
-l 'a b=c' img
--label-file labels -l x=y img
-w /w -u 1000:1000 img
-h host1 --domainname dom img
--entrypoint /bin/sh img -c ls
--entrypoint '' img
--entrypoint -x img
-v /a img
-v /a:/b img
-v /a:/b:ro,z img
-v ./rel:/b img
-v name:/b img
-v name:/b:nocopy img
-v /a:/b -v /a:/b -v /c img
-v /a:/b:ro:x img
-v :/b img
-v /a: img
-v a img
-v '' img
--tmpfs /t --tmpfs /u:size=1m,mode=700 img
--mount type=bind,src=/a,dst=/b img
--mount type=bind,source=/a,target=/b,readonly img
--mount type=bind,src=./rel,dst=/b,ro=true img
--mount type=bind,src=/a,dst=/b,bind-propagation=rslave img
--mount type=bind,src=/a,dst=/b,bind-recursive=disabled img
--mount type=bind,src=/a,dst=/b,ro,bind-recursive=writable img
--mount type=bind,src=/a,dst=/b,bind-recursive=readonly img
--mount type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate img
--mount type=bind,src=/a,dst=/b,bind-recursive=x img
--mount type=volume,src=v,dst=/b,volume-nocopy,volume-label=a=b img
--mount src=v,dst=/b,volume-driver=d,volume-opt=type=nfs,volume-opt=o=addr img
--mount 'src=v,dst=/b,"volume-opt=o=a,b"' img
--mount src=v,dst=/b,volume-subpath=s img
--mount dst=/b img
--mount type=tmpfs,dst=/b,tmpfs-size=10m,tmpfs-mode=1770 img
--mount type=tmpfs,dst=/b,volume-nocopy img
--mount type=tmpfs,dst=/b,tmpfs-mode=9 img
--mount type=image,src=i,dst=/b,image-subpath=s img
--mount type=bind img
--mount foo img
--mount foo=bar img
--mount type=bind,src=/a,dst=/b,consistency=cached img
--mount 'a"b' img
--read-only --shm-size 128m img
--shm-size x img
--cap-add SYS_ADMIN --cap-drop ALL img
--privileged img
--device /dev/fuse img
--device /dev/fuse:/dev/x img
--device /dev/fuse:rw img
--device /dev/fuse:/dev/x:r img
--device /dev/fuse:/dev/x:q img
--device a:b:c:d img
--device rel img
--device vendor.com/class=name img
--device-cgroup-rule 'c 1:3 rwm' img
--device-cgroup-rule 'c 1:* rwmx' img
--ulimit nofile=10:20 --ulimit core=0 img
--ulimit nofile=-1 img
--ulimit nofile=20:10 img
--ulimit nofile=-1:10 img
--ulimit foo=1 img
--ulimit nofile img
--ulimit nofile=x img
--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=2 img
--sysctl kernel.foo=1 img
-m 64m --memory-swap -1 --memory-reservation 1g --memory-swappiness 10 img
-m 6M --memory-swap 1.5g img
-m 1kib img
-m 1 k img
-m 1xb img
-m -1 img
--memory-swappiness 101 img
--kernel-memory 10m img
--cpus 1.5 -c 512 --cpu-quota 1000 --cpu-period 100000 img
--cpus 1/3 img
--cpus 0.0000000001 img
--cpus x img
--cpu-shares 0x10 img
--cpu-shares abc img
--cpu-rt-period 5 --cpu-rt-runtime 6 img
--cpuset-cpus 0-1 --cpuset-mems 0 img
--pids-limit -1 img
--pids-limit 100 --oom-score-adj -500 --oom-kill-disable img
--blkio-weight 300 --blkio-weight-device /dev/sda:200 img
--blkio-weight 70000 img
--blkio-weight-device /dev/sda:5 img
--blkio-weight-device sda:200 img
--device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2kb img
--device-read-iops /dev/sda:100 --device-write-iops /dev/sda:200 img
--device-read-bps /dev/sda:x img
--device-write-iops /dev/sda:-1 img
--security-opt seccomp=unconfined --security-opt no-new-privileges img
--security-opt seccomp=seccomp.json img
--security-opt seccomp=not.json img
--security-opt seccomp=missing.json img
--security-opt seccomp=builtin --security-opt apparmor=unconfined img
--security-opt label:disable img
--security-opt systempaths=unconfined img
--security-opt systempaths=unconfined --security-opt no-new-privileges=true img
--security-opt foo img
--ipc host --pid host --uts host --cgroupns private img
--ipc shareable --pid container:x img
--pid foo img
--pid container: img
--uts foo img
--cgroupns foo img
--userns host img
--userns foo img
--init img
--init=false img
--runtime runc --isolation default --cgroup-parent /x img
--stop-signal USR1 --stop-timeout 0 img
--stop-timeout x img
--add-host a:1.2.3.4 --add-host b=::1 --add-host 'c:[::1]' --add-host d:host-gateway img
--add-host a img
--add-host a:x img
--dns 8.8.8.8 --dns ' ::1' --dns-search example.com --dns-option ndots:1 --dns-opt a img
--dns x img
--dns-search . img
--dns-search 'a b' img
--cap-add sys_admin --cap-add CAP_NET_RAW --cap-add SYS_ADMIN img
--cap-add all --cap-add x img
-p 80 img
-p 8080:80 img
-p 127.0.0.1:8080:80/udp img
-p 127.0.0.1::80 img
-p '[::1]:8080:80' img
-p ::1:8080:80 img
-p 8000-8002:80-82 img
-p 8000-8002:80 img
-p 8000-8001:80-82 img
-p 80:x img
-p x:80 img
-p 80/foo img
-p 70000:80 img
-p '' img
-p 8080: img
-p published=8080,target=80,protocol=udp img
-p published=8080,x img
-p 1.2.3:80:80 img
-p 80:80 -p 81:80 -p 80:80/sctp img
-P --expose 90 --expose 100-102/udp img
--expose 1:2 img
--expose x img
--expose 90-80 img
--network host img
--network none img
--network container:x img
--network net1 img
--network net1 --network-alias a1 --ip 10.1.2.3 --ip6 2001:db8::33 --link-local-ip 169.254.1.1 img
--network name=net1,alias=a,ip=10.1.2.3,driver-opt=x=y,gw-priority=5 img
--network net1 --network net2 img
--network net1 --network host img
--network net1 --network net1 img
--net net1 --net-alias z img
--network name=net1,foo=bar img
--network alias=a,ip=1 img
--network name=net1,alias=a --network-alias b img
--network-alias a1 img
--network net1 --link c1:a1 img
--link c1:a1 --link c2 img
--link a:b:c img
--mac-address 92:d0:c6:0a:29:33 img
--mac-address zz img
--network net1 --mac-address 92-d0-c6-0a-29-33 img
--log-driver json-file --log-opt max-size=10m --log-opt max-file=3 img
--log-driver none --log-opt a=b img
--log-driver none img
--volume-driver d --volumes-from c1:ro --volumes-from c2 img
--storage-opt size=10G img
--storage-opt x img
--group-add audio --group-add 100 img
--annotation a=b --annotation c img
--health-cmd 'curl x' --health-interval 30s --health-timeout 1m30s --health-retries 3 img
--health-start-period 1.5s --health-start-interval 500ms img
--health-interval 5 img
--health-interval -5s img
--health-interval 5y img
--no-healthcheck img
--no-healthcheck --health-cmd x img
--platform linux/amd64 img
--pull never img
--pull sometimes img
--cidfile cid img
--gpus all img
--gpus 2 img
--gpus '"device=0,1"' img
--gpus driver=x,capabilities=utility img
--gpus foo=1 img
--publish=80:80 --env=A=b --tty=true img
-eA=1 -p80:80 -itw/x img
-vq img
--foo img
-Z img
--name
-e
--rm=maybe img
-- img --x
--quiet img
""".strip().split("\n")


def prepare(directory: str) -> None:
    """Write the files that the cases name."""
    for name, text in FILES.items():
        Path(directory, name).write_text(text)


def neutral(value: Any, directory: str) -> Any:
    """A request or message with the working directory as CWD, and what Docker orders by chance sorted."""
    text = json.loads(json.dumps(value).replace(directory, "CWD"))
    if isinstance(text, dict) and isinstance(text.get("HostConfig"), dict) and text["HostConfig"].get("Binds"):
        text["HostConfig"]["Binds"].sort()
    return text


def flat(body: dict[str, Any]) -> dict[str, Any]:
    """The body with HostConfig's keys beside its own."""
    host = {f"HostConfig.{key}": value for key, value in body.get("HostConfig", {}).items()}
    return {**{key: value for key, value in body.items() if key != "HostConfig"}, **host}


def load() -> dict[str, dict[str, Any]]:
    """The record: per case the exit code, and the query and the flat body, or the first line of the error."""
    found: dict[str, dict[str, Any]] = json.loads(RECORD.read_text())
    plain = found["img"]["body"]
    for entry in found.values():
        if "body" in entry:
            entry["body"] = {**plain, **entry["body"]}
    return found


def record() -> None:
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from tests.unit.cli.recorder import Recorder

    found: dict[str, Any] = {}
    recorder = Recorder()
    for case in CASES:
        with tempfile.TemporaryDirectory() as directory:
            prepare(directory)
            recorder.requests.clear()
            done = subprocess.run(
                ["docker", "create", *shlex.split(case)],
                env={"PATH": os.environ["PATH"], "HOME": directory, "DOCKER_HOST": recorder.host, **ENVIRONMENT},
                cwd=directory,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            creates = [request for request in recorder.requests if request[1] == "/containers/create"]
            entry: dict[str, Any] = {"code": done.returncode}
            if creates:
                body = flat(neutral(creates[0][3], directory))
                plain = found["img"]["body"] if found else {}  # only what differs from the first case is kept
                entry.update(
                    query=creates[0][2],
                    body={key: body[key] for key in body if key not in plain or plain[key] != body[key]},
                )
                entry["warnings"] = done.stderr
            else:
                entry["error"] = neutral(done.stderr.split("\n")[0], directory)
            found[case] = entry
    recorder.close()
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(
        "{\n" + ",\n".join(f"{json.dumps(case)}: {json.dumps(entry)}" for case, entry in found.items()) + "\n}\n"
    )


if __name__ == "__main__":
    record()
