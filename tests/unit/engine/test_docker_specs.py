"""What inspect shows after create, and what the runtime gets at start, against records of Docker 28.5.2.

tests/data/docker-specs.json has one line per request: what was asked for, and where Config, HostConfig, Mounts and the
OCI specification differ from those of the first one. Recorded on cgroup v1 without CAP_SYS_RESOURCE, then scrubbed:
ID, ID12, VOL, /DIR (the container's directory), /volumes; of the devices of a privileged container a few.
"""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.engine.machines import V1

from estiba.engine.config import ContainerConfig, EndpointConfig, HostConfig, NetworkingConfig
from estiba.engine.request.merge import Completed, complete
from estiba.engine.request.mounts import resolve_mounts
from estiba.engine.request.validate import check_create, check_request
from estiba.engine.spec.build import build_spec
from estiba.engine.spec.launch import Launch
from estiba.engine.spec.users import resolve_user
from estiba.engine.state import Container, Created, MountPoint
from estiba.errors import EstibaError, NotFound
from estiba.oci.image import Defaults
from estiba.oci.runtime_spec import Mount, Spec

RECORDS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data/docker-specs.json").read_text(encoding="utf-8")
)
FIRST = RECORDS["minimal"]
CONTAINER_ID = "ID12".ljust(64, "0")
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:An App:/home/app:/bin/sh\ntoor:x:0:0:second:/toor:/bin/sh\n"
GROUP = "root:x:0:\nwheel:x:10:root,app\nusers:x:100:app\napp:x:1000:\n"
IMAGES = {
    "p-bb:1": Defaults(cmd=["sh"]),
    "p-bb:full": msgspec.convert(
        {
            "User": "app",
            "ExposedPorts": {"80/tcp": {}},
            "Env": ["A=1", "B=2"],
            "Cmd": ["sh"],
            "Volumes": {"/data": {}},
            "Labels": {"l": "1"},
            "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD-SHELL", "x"], "Interval": 7000000000},
            "OnBuild": ["RUN x"],
        },
        Defaults,
    ),
}
# refused by Estiba: networks, published ports, an empty seccomp profile
REFUSED = ("ports", "net-alias", "net-unknown", "seccomp-empty")
STARTED = [name for name in RECORDS if name not in REFUSED]
FILES = ("resolv.conf", "hostname", "hosts")


def unknown(reference: str) -> Container:
    raise NotFound(f"No such container: {reference}")


def requested(name: str) -> tuple[ContainerConfig, HostConfig, NetworkingConfig]:
    body = {"Image": "p-bb:1", "Cmd": ["sleep", "1000"], **RECORDS[name]["request"]}
    host, networking = body.pop("HostConfig", {}), body.pop("NetworkingConfig", {})
    return (
        msgspec.convert(body, ContainerConfig),
        msgspec.convert(host, HostConfig),
        msgspec.convert(networking, NetworkingConfig),
    )


def completed(name: str) -> Completed:
    config, host, networking = requested(name)
    check_request(config, host, networking, V1)
    found = complete(
        config, host, networking, IMAGES[config.image], container_id=CONTAINER_ID, machine=V1, find=lambda _: None
    )
    check_create(found)
    return found


def with_volume(mount: MountPoint) -> MountPoint:
    if mount.type != "volume":
        return mount
    name = mount.name or "VOL"
    return replace(mount, name=name, source=f"/volumes/{name}/_data")


def container(name: str) -> Container:
    found = completed(name)
    mounts = [with_volume(mount) for mount in resolve_mounts(found.config, found.host, unknown)]
    return Container(
        id=CONTAINER_ID,
        name="x",
        created=1,
        path=found.path,
        args=found.args,
        image="sha256:0",
        config=found.config,
        host=found.host,
        state=Created(),
        mounts=tuple(mounts),
        endpoints=found.endpoints,
    )


def expected(name: str, part: str) -> dict[str, Any]:
    merged = FIRST[part] | RECORDS[name].get(part, {})
    return {key: value for key, value in merged.items() if value is not None}


def shown(value: msgspec.Struct) -> dict[str, Any]:
    """As JSON, without what inspect leaves out: nulls, and what says nothing."""
    text = msgspec.json.encode(value).decode().replace(CONTAINER_ID, "ID").replace(CONTAINER_ID[:12], "ID12")
    return {key: item for key, item in json.loads(text).items() if item is not None}


def same(ours: dict[str, Any], theirs: dict[str, Any], *, ignored: tuple[str, ...] = ()) -> None:
    """Compare where one of them says something: "", 0, False and {} of one may be absent in the other."""
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in ignored:
            left, right = ours.get(key), theirs.get(key)
            if left or right:
                assert left == right, key


@pytest.mark.parametrize("name", STARTED)
def test_inspect_after_create(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "the-host", "6.18", "1", "x86_64")))
    found = completed(name)
    record = RECORDS[name]
    same(shown(found.config), expected(name, "config"))
    assert found.config.labels is not None
    same(shown(found.host), expected(name, "host"), ignored=("KernelMemory", "Mounts"))
    assert found.path == record.get("path", FIRST["path"])
    assert found.args == record.get("args", FIRST["args"])
    networks = record.get("networks", FIRST["networks"])
    assert found.endpoints == {key: EndpointConfig() for key in networks}


@pytest.mark.parametrize("name", STARTED)
def test_mounts_of_inspect(name: str) -> None:
    ours = [
        {
            "Type": mount.type,
            "Source": mount.source,
            "Destination": mount.destination,
            "Mode": mount.mode,
            "RW": mount.rw,
            "Propagation": mount.propagation,
        }
        | ({"Name": mount.name, "Driver": mount.driver} if mount.type == "volume" else {})
        for mount in sorted(container(name).mounts, key=lambda mount: mount.destination)
    ]
    theirs = copy.deepcopy(RECORDS[name].get("mounts", FIRST["mounts"]))
    for mount in theirs:
        if mount["Destination"] == "rel":
            mount["Destination"] = "/rel"
        if mount["Source"] == "/var":  # holds Docker's own data root
            mount["Propagation"] = "rprivate"
    assert ours == sorted(theirs, key=lambda mount: mount["Destination"])


def launched(name: str, root: int) -> Spec:
    record = container(name)
    host = record.host
    files = {} if record.config.network_disabled else {f"/etc/{file}": f"/DIR/{file}" for file in FILES}
    launch = Launch(
        host=V1,
        root=[Mount(destination="/", type="overlay", source="overlay", options=["lowerdir=/layers"])],
        attach="/run/rootfs",
        files=files,
        sources={},
        extra={},
        user=resolve_user(root, record.config.user, host.group_add or []),
        cgroup="/docker/ID",
        joined={},
        hostname="" if host.uts_mode == "host" else record.config.hostname,
        init="/usr/bin/docker-init" if host.init else "",
        shm="/DIR/mounts/shm" if host.ipc_mode == "shareable" else "",
    )
    return build_spec(record, launch)


def flat(spec: Spec) -> dict[str, Any]:
    """The same form as the records."""
    plain = json.loads(msgspec.json.encode(spec).decode().replace(CONTAINER_ID[:12], "ID12"))
    process, linux = plain["process"], plain["linux"]
    sets = process["capabilities"]
    assert sorted(sets) == ["bounding", "effective", "permitted"] or sets == {}
    assert sets.get("bounding") == sets.get("effective") == sets.get("permitted")
    resources = linux.get("resources", {})
    resources.pop("devices")
    user = process["user"]
    return {
        "args": process["args"],
        "env": process["env"],
        "cwd": process.get("cwd", "/"),
        "user": {"uid": user.get("uid", 0), "gid": user.get("gid", 0), "additionalGids": user["additionalGids"]},
        "capabilities": sets.get("bounding", []),
        "terminal": process.get("terminal"),
        "consoleSize": process.get("consoleSize"),
        "oomScoreAdj": process.get("oomScoreAdj"),
        "noNewPrivileges": process.get("noNewPrivileges"),
        "rlimits": process.get("rlimits"),
        "readonly": plain["root"].get("readonly", False),
        "hostname": plain.get("hostname"),
        "annotations": plain.get("annotations"),
        "namespaces": [entry["type"] for entry in linux["namespaces"]],
        "sysctl": linux.get("sysctl", {}),
        "resources": resources,
        "maskedPaths": linux.get("maskedPaths", []),
        "readonlyPaths": linux.get("readonlyPaths", []),
        "devices": linux.get("devices", []),
        "mounts": [[m["destination"], m["type"], m["source"], " ".join(m["options"])] for m in plain["mounts"]],
        "seccomp": linux.get("seccomp"),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("root")
    (directory / "etc").mkdir()
    (directory / "etc/passwd").write_text(PASSWD)
    (directory / "etc/group").write_text(GROUP)
    descriptor = os.open(directory, os.O_PATH)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("name", [name for name in STARTED if "start" not in RECORDS[name]])
def test_specification(name: str, root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "the-host", "6.18", "1", "x86_64")))
    ours, theirs = flat(launched(name, root)), copy.deepcopy(FIRST["spec"] | RECORDS[name].get("spec", {}))
    # Docker leaves HOME to runc, and has always a word about the OOM killer
    if not any(setting.startswith("HOME=") for setting in theirs["env"]):
        assert ours["env"].pop().startswith("HOME=")
    if theirs["env"][2:4] == ["A=1", "A=2"]:
        theirs["env"] = [*theirs["env"][:2], *theirs["env"][3:]]  # what runc makes of it
    theirs["resources"] = without_defaults(theirs["resources"])
    ours["resources"] = without_defaults(ours["resources"])
    # mounts: the root is ours; of one depth the order is Docker's chance
    assert ours["mounts"].pop(0)[:2] == ["/", "overlay"]
    compare_mounts(ours.pop("mounts"), theirs.pop("mounts"))
    # the same set in another order
    assert sorted(ours.pop("capabilities")) == sorted(theirs.pop("capabilities"))
    check_seccomp(ours.pop("seccomp"), theirs.pop("seccomp"))
    ours_devices, theirs_devices = ours.pop("devices"), theirs.pop("devices")
    if not name.startswith("privileged"):
        assert ours_devices == theirs_devices
    same(ours, theirs, ignored=("cgroupsPath",))


def without_defaults(resources: dict[str, Any]) -> dict[str, Any]:
    memory = {key: value for key, value in resources.get("memory", {}).items() if value is not False}
    if memory.get("swap") == -1:
        del memory["swap"]  # Docker says nothing: a new cgroup has no limit
    rest = {key: value for key, value in resources.items() if key != "memory"}
    if "cpu" in rest and rest["cpu"].get("quota") == 0:
        rest["cpu"].pop("quota")
    return rest | ({"memory": memory} if memory else {})


def compare_mounts(ours: list[list[str]], theirs: list[list[str]]) -> None:
    for mount in theirs:
        if mount[0] == "rel":
            mount[0] = "/rel"
        if mount[2] == "/var":
            mount[3] = "rbind rprivate"
    assert sorted(ours) == sorted(theirs)
    kernel = [mount[0] for mount in theirs if mount[1] not in ("bind", "tmpfs")]
    assert [mount[0] for mount in ours if mount[1] not in ("bind", "tmpfs")] == kernel
    depth = [mount[0].count("/") for mount in ours if mount[1] == "bind" and mount[0] != "/sbin/docker-init"]
    assert depth == sorted(depth)


def check_seccomp(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> None:
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours["defaultAction"] == theirs["d"]
        assert len(ours.get("syscalls", [])) == theirs["n"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_estiba_refuses(name: str, root: int) -> None:
    with pytest.raises(EstibaError):
        launched(name, root)


def test_privileged_devices_are_the_host_s(root: int) -> None:
    spec = launched("privileged-device", root)
    paths = [device.path for device in spec.linux.devices]
    assert {"/dev/null", "/dev/mynull"} <= set(paths)
    assert "/dev/ptmx" not in paths
    assert len(paths) == len(set(paths))
    assert spec.linux.resources is not None
    assert [(rule.allow, rule.type, rule.access) for rule in spec.linux.resources.devices] == [(True, "a", "rwm")]
