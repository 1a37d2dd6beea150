"""Image and request merged, defaults filled in: what Docker's records do not cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.unit.engine.machines import V1, V2

from estiba.engine.config import ContainerConfig, EndpointConfig, HealthCheck, HostConfig, NetworkingConfig
from estiba.engine.request.merge import Completed, complete, complete_host, default_masked_paths, merge_image
from estiba.engine.state import Container, Created
from estiba.errors import InvalidArgument
from estiba.oci.image import Defaults, Healthcheck

if TYPE_CHECKING:
    from estiba.linux.host import Host

DONOR = Container(
    id="d" * 64,
    name="donor",
    created=1,
    path="x",
    args=[],
    image="sha256:0",
    config=ContainerConfig(),
    host=HostConfig(),
    state=Created(),
)


def made(
    config: dict[str, Any], host: dict[str, Any] | None = None, image: Defaults | None = None, machine: Host = V1
) -> Completed:
    networking = config.pop("NetworkingConfig", {})
    return complete(
        msgspec.convert({"Cmd": ["x"], **config}, ContainerConfig),
        msgspec.convert(host or {}, HostConfig),
        msgspec.convert(networking, NetworkingConfig),
        image or Defaults(),
        container_id="1234567890abcdef" * 4,
        machine=machine,
        find=lambda reference: DONOR if reference in ("donor", DONOR.id) else None,
    )


@pytest.mark.parametrize(
    ("asked", "image", "path", "args"),
    [
        ({"Cmd": None}, {"cmd": ["a", "b"]}, "a", ["b"]),
        ({"Cmd": []}, {"cmd": ["a"]}, "a", []),
        ({"Cmd": ["c"]}, {"cmd": ["a"], "entrypoint": ["e", "f"]}, "e", ["f", "c"]),
        ({"Cmd": None}, {"cmd": ["a"], "entrypoint": ["e"]}, "e", ["a"]),
        ({"Cmd": None, "Entrypoint": ["e"]}, {"cmd": ["a"]}, "e", []),
        ({"Cmd": None, "Entrypoint": []}, {"cmd": ["a"], "entrypoint": ["e"]}, "a", []),
        ({"Cmd": ["c"], "Entrypoint": [""]}, {"cmd": ["a"], "entrypoint": ["e"]}, "c", []),
        ({"Cmd": [""]}, {}, "", []),
    ],
)
def test_command(asked: dict[str, Any], image: dict[str, Any], path: str, args: list[str]) -> None:
    found = made(asked, image=Defaults(**image))
    assert (found.path, found.args) == (path, args)


@pytest.mark.parametrize(
    ("asked", "image"),
    [
        ({"Cmd": None}, {}),
        ({"Cmd": []}, {"cmd": []}),
        ({"Cmd": None, "Entrypoint": [""]}, {"cmd": ["a"], "entrypoint": ["e"]}),
    ],
)
def test_no_command(asked: dict[str, Any], image: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"^no command specified$"):
        made(asked, image=Defaults(**image))


def test_an_empty_entrypoint_stays_empty() -> None:
    assert made({"Cmd": None, "Entrypoint": []}, image=Defaults(cmd=["a"])).config.entrypoint == []
    assert made({"Cmd": ["c"], "Entrypoint": [""]}).config.entrypoint is None


def test_the_image_fills_what_is_not_said() -> None:
    image = Defaults(
        user="u",
        env=["A=1", "B=2"],
        working_dir="rel/../w",
        stop_signal="INT",
        labels={"a": "image", "b": "image"},
        exposed_ports={"80": {}},
        volumes={"/v": {}},
        on_build=["RUN x"],
        shell=["/bin/ash"],
    )
    found = merge_image(ContainerConfig(env=["B=9", "A"], labels={"b": "own"}, exposed_ports={"90/udp": {}}), image)
    assert found.env == ["B=9", "A"]
    assert found.labels == {"a": "image", "b": "own"}
    assert found.exposed_ports == {"80": {}, "90/udp": {}}
    assert (found.user, found.working_dir, found.stop_signal) == ("u", "/w", "INT")
    assert (found.on_build, found.shell) == (None, None)
    own = merge_image(ContainerConfig(user="x", working_dir="/y//z/", stop_signal="TERM", volumes={}), image)
    assert (own.user, own.working_dir, own.stop_signal, own.volumes) == ("x", "/y/z", "TERM", {"/v": {}})
    bare = merge_image(ContainerConfig(volumes={}, env=[]), Defaults())
    assert (bare.volumes, bare.env, bare.labels, bare.exposed_ports) == (None, None, {}, None)


def test_health_checks_field_by_field() -> None:
    image = Defaults(healthcheck=Healthcheck(test=["CMD", "a"], interval=5, timeout=6, retries=7))
    assert merge_image(ContainerConfig(), image).healthcheck == HealthCheck(
        test=["CMD", "a"], interval=5, timeout=6, retries=7
    )
    own = ContainerConfig(healthcheck=HealthCheck(test=[], interval=9, start_period=3))
    assert merge_image(own, image).healthcheck == HealthCheck(
        test=["CMD", "a"], interval=9, timeout=6, retries=7, start_period=3
    )
    off = ContainerConfig(healthcheck=HealthCheck(test=["NONE"]))
    assert (merge_image(off, image).healthcheck or HealthCheck()).test == ["NONE"]
    assert merge_image(own, Defaults()).healthcheck is own.healthcheck


@pytest.mark.parametrize(
    ("machine", "host", "cgroupns", "oom"),
    [
        (V1, {}, "host", False),
        (V1, {"Privileged": True, "OomKillDisable": True}, "host", True),
        (V1, {"CgroupnsMode": "private"}, "private", False),
        (V2, {}, "private", None),
        (V2, {"Privileged": True, "OomKillDisable": True}, "private", None),
        (V2, {"CgroupnsMode": "host"}, "host", None),
    ],
)
def test_the_machine_decides(machine: Host, host: dict[str, Any], cgroupns: str, oom: bool | None) -> None:
    found = made({}, host, machine=machine).host
    assert (found.cgroupns_mode, found.oom_kill_disable) == (cgroupns, oom)


@pytest.mark.parametrize(
    ("memory", "swap", "expected"), [(100, 0, 200), (100, 150, 150), (100, -1, -1), (0, 0, 0), (0, -1, -1)]
)
def test_swap_is_as_much_again(memory: int, swap: int, expected: int) -> None:
    assert complete_host(HostConfig(memory=memory, memory_swap=swap), V1).memory_swap == expected


def test_limits_of_no_meaning_are_null() -> None:
    found = complete_host(HostConfig(pids_limit=0, memory_swappiness=-1, blkio_weight=5), V1)
    assert (found.pids_limit, found.memory_swappiness, found.blkio_weight) == (None, None, 0)
    assert complete_host(HostConfig(memory_swappiness=0), V1).memory_swappiness == 0
    assert complete_host(HostConfig(memory_swappiness=5), V2).memory_swappiness is None


@pytest.mark.parametrize("mode", ["PidMode", "IpcMode"])
def test_host_modes_disable_labels(mode: str) -> None:
    assert made({}, {mode: "host", "SecurityOpt": ["no-new-privileges"]}).host.security_opt == [
        "no-new-privileges",
        "label=disable",
    ]


def test_other_containers_by_their_ids() -> None:
    shared = "container:donor"
    found = made({}, {"NetworkMode": shared, "PidMode": shared, "IpcMode": shared})
    assert {found.host.network_mode, found.host.pid_mode, found.host.ipc_mode} == {f"container:{DONOR.id}"}
    assert found.endpoints == {}
    assert found.config.hostname == "1234567890ab"
    assert made({}, {"NetworkMode": "container:later"}).host.network_mode == "container:later"
    for mode in ("PidMode", "IpcMode"):
        with pytest.raises(InvalidArgument, match=r"^No such container: later$"):
            made({}, {mode: "container:later"})


@pytest.mark.parametrize(
    ("mode", "endpoints", "expected"),
    [
        ("", {}, ["bridge"]),
        ("default", {"default": {"DriverOpts": {"a": "b"}}}, ["bridge"]),
        ("none", {}, ["none"]),
        ("host", {"host": None}, ["host"]),
        ("bridge", {"none": {}}, ["bridge", "none"]),
    ],
)
def test_endpoints(mode: str, endpoints: dict[str, Any], expected: list[str]) -> None:
    found = made({"NetworkingConfig": {"EndpointsConfig": endpoints}}, {"NetworkMode": mode})
    assert list(found.endpoints) == expected
    options = (endpoints.get("default") or {}).get("DriverOpts")
    assert found.endpoints[expected[0]] == EndpointConfig(driver_opts=options)


def test_masked_paths_have_the_processors() -> None:
    found = default_masked_paths()
    assert len(found) >= 12
    assert all(path.endswith("/thermal_throttle") for path in found[12:])
