"""Specifications beside Docker's records: cgroup v2, others' namespaces, limits that cannot be had here, execs."""

from __future__ import annotations

import os
import resource
from dataclasses import replace as machine_replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.engine.machines import V1, V1_LIMITS, V2

from estiba.engine.config import (
    ContainerConfig,
    DeviceMapping,
    DeviceRequest,
    ExecConfig,
    HostConfig,
    ThrottleDevice,
    Ulimit,
    WeightDevice,
)
from estiba.engine.request.merge import complete_host
from estiba.engine.spec.build import build_namespaces, build_spec
from estiba.engine.spec.launch import Launch
from estiba.engine.spec.process import build_exec_process, build_rlimits
from estiba.engine.spec.propagation import root_propagation
from estiba.engine.spec.resources import build_resources
from estiba.engine.spec.users import User
from estiba.engine.state import Container, Created, MountPoint
from estiba.errors import EstibaError, InvalidArgument, StartFailed, SystemFailure
from estiba.oci.runtime_spec import Mount, Namespace, Rlimit, Spec

if TYPE_CHECKING:
    from estiba.linux.host import Host

ROOT = User(0, 0, (0,), "/root")
APP = User(1000, 100, (100, 5), "/home/app")
UNLIMITED = (1 << 64) - 1


def container(host: dict[str, Any] | None = None, machine: Host = V1, **config: Any) -> Container:
    asked = msgspec.convert(host or {}, HostConfig)
    mounts = config.pop("mounts", ())
    return Container(
        id="1" * 64,
        name="x",
        created=1,
        path="sleep",
        args=["1"],
        image="sha256:0",
        config=ContainerConfig(hostname="h", **config),
        host=complete_host(asked, machine),
        state=Created(),
        mounts=mounts,
    )


def spec(record: Container, *, machine: Host = V1, user: User = ROOT, **launch: Any) -> Spec:
    values: dict[str, Any] = {
        "root": [Mount(destination="/", type="overlay")],
        "attach": "/run/rootfs",
        "files": {},
        "sources": {},
        "extra": {},
        "cgroup": "/c",
        "joined": {},
        "hostname": "h",
    }
    return build_spec(record, Launch(host=machine, user=user, **(values | launch)))


def mount_at(found: Spec, destination: str) -> Mount:
    (mount,) = [mount for mount in found.mounts if mount.destination == destination]
    return mount


# namespaces


def names(record: Container, **joined: str) -> list[str]:
    launch = Launch(
        host=V1, root=[], attach="", files={}, sources={}, extra={}, user=ROOT, cgroup="", joined=joined, hostname=""
    )
    return [f"{space.type}={space.path or ''}" for space in build_namespaces(record, launch)]


def test_cgroup_v2_has_a_namespace_of_its_own() -> None:
    assert names(container(machine=V2)) == ["mount=", "network=", "uts=", "pid=", "ipc=", "cgroup="]
    assert names(container({"Privileged": True}, V2))[-1] == "cgroup="
    assert names(container({"CgroupnsMode": "host"}, V2))[-1] == "ipc="
    assert names(container()) == ["mount=", "network=", "uts=", "pid=", "ipc="]


def test_namespaces_of_another_container() -> None:
    record = container({"NetworkMode": "container:x", "PidMode": "container:x", "IpcMode": "container:x"})
    found = names(record, network="/proc/7/ns/net", pid="/proc/7/ns/pid", ipc="/proc/7/ns/ipc")
    assert found == ["mount=", "network=/proc/7/ns/net", "uts=", "pid=/proc/7/ns/pid", "ipc=/proc/7/ns/ipc"]


def test_a_shared_network_keeps_its_sysctls() -> None:
    record = container({"NetworkMode": "container:x", "Sysctls": {"net.core.somaxconn": "5"}})
    found = spec(record, joined={"network": "/proc/7/ns/net"}, shm="/proc/7/root/dev/shm")
    assert found.linux.sysctl == {"net.core.somaxconn": "5"}
    assert mount_at(found, "/dev/shm").source == "/proc/7/root/dev/shm"
    assert Namespace(type="network", path="/proc/7/ns/net") in found.linux.namespaces


# cgroup v2


def test_limits_of_cgroup_v2() -> None:
    asked = {"Memory": 64 << 20, "OomKillDisable": True, "MemorySwappiness": 5, "PidsLimit": -1}
    found = spec(container(asked, V2), machine=V2)
    assert found.linux.resources is not None
    memory = found.linux.resources.memory
    assert memory is not None
    assert (memory.limit, memory.swap, memory.swappiness, memory.disable_oom_killer) == (
        64 << 20,
        128 << 20,
        None,
        None,
    )
    assert found.linux.resources.pids is None


@pytest.mark.parametrize(
    ("asked", "missing", "expected"),
    [
        ({"Memory": 64 << 20}, "memory", None),
        ({"Memory": 64 << 20}, "swap", {"limit": 64 << 20}),
        ({"MemoryReservation": 64 << 20}, "reservation", {}),
        ({"MemorySwappiness": 5}, "swappiness", {}),
    ],
)
def test_what_the_machine_cannot_limit_is_left_out(
    asked: dict[str, int], missing: str, expected: dict[str, int] | None
) -> None:
    machine = machine_replace(V1, limits=machine_replace(V1_LIMITS, **{missing: False}))
    memory = build_resources(complete_host(msgspec.convert(asked, HostConfig), V1), machine).memory
    assert (msgspec.to_builtins(memory) if memory is not None else None) in (expected, expected or {})


def test_an_update_can_lift_limits() -> None:
    found = build_resources(HostConfig(memory=64 << 20, memory_swap=-1, pids_limit=-1, cpu_quota=-1), V1)
    assert found.memory is not None
    assert found.memory.swap == -1
    assert found.pids is not None
    assert found.pids.limit == -1
    assert found.cpu is not None
    assert found.cpu.quota == -1


def test_limits_of_block_devices() -> None:
    machine = machine_replace(V1, limits=machine_replace(V1_LIMITS, blkio_weight=True, blkio_weight_device=True))
    host = HostConfig(
        blkio_weight=100,
        blkio_weight_device=[WeightDevice(path="/dev/null", weight=10)],
        blkio_device_read_bps=[ThrottleDevice(path="/dev/zero", rate=1000)],
        blkio_device_write_iops=[ThrottleDevice(path="/dev/full", rate=5)],
    )
    found = build_resources(host, machine).block_io
    assert found is not None
    assert found.weight == 100
    assert [(d.major, d.minor, d.weight) for d in found.weight_device] == [(1, 3, 10)]
    assert [(d.major, d.minor, d.rate) for d in found.throttle_read_bps_device] == [(1, 5, 1000)]
    assert [(d.major, d.minor, d.rate) for d in found.throttle_write_iops_device] == [(1, 7, 5)]
    with pytest.raises(SystemFailure) as caught:
        build_resources(HostConfig(blkio_device_read_iops=[ThrottleDevice(path="/dev/nosuch", rate=1)]), V1)
    assert caught.value.message == "stat /dev/nosuch: no such file or directory"


# devices


def refused(host: HostConfig) -> EstibaError:
    with pytest.raises(EstibaError) as caught:
        spec(replace(container(), host=complete_host(host, V1)))
    return caught.value


def test_devices_that_are_not_there() -> None:
    absent = HostConfig(devices=[DeviceMapping(path_on_host="/dev/nosuch", path_in_container="/dev/x")])
    assert refused(absent).message == (
        'error gathering device information while adding custom device "/dev/nosuch": no such file or directory'
    )
    none = HostConfig(devices=[DeviceMapping(path_on_host="/etc/passwd", path_in_container="/dev/x")])
    assert refused(none).message.endswith("not a device node")
    access = HostConfig(devices=[DeviceMapping(path_on_host="/dev/null", cgroup_permissions="zz")])
    assert refused(access).message == "invalid device mode: zz"
    assert refused(HostConfig(device_cgroup_rules=["foo"])).message == "invalid device cgroup rule format: 'foo'"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            DeviceRequest(count=-1, capabilities=[["gpu"]]),
            'could not select device driver "" with capabilities: [[gpu]]',
        ),
        (DeviceRequest(driver="foo", count=1), 'could not select device driver "foo" with capabilities: []'),
        (
            DeviceRequest(driver="cdi", device_ids=["a.b/c=d"]),
            "CDI device injection failed: unresolvable CDI devices a.b/c=d",
        ),
    ],
)
def test_device_drivers_are_not_there(request_: DeviceRequest, message: str) -> None:
    error = refused(HostConfig(device_requests=[request_]))
    assert (error.message, error.status) == (message, 500)


def test_device_rules_follow_each_other() -> None:
    host = {
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}],
        "DeviceCgroupRules": ["c 7:* rw"],
    }
    found = spec(container(host))
    assert found.linux.resources is not None
    rules = found.linux.resources.devices
    assert (rules[0].allow, rules[0].type) == (False, "a")
    assert [(r.type, r.major, r.minor, r.access) for r in rules[-2:]] == [("c", 1, 3, "r"), ("c", 7, None, "rw")]
    assert [(d.path, d.major, d.minor) for d in found.linux.devices] == [("/dev/mine", 1, 3)]


# rights and limits of the process


def test_a_privileged_container_hides_nothing() -> None:
    found = spec(container({"Privileged": True, "MaskedPaths": ["/proc/x"], "ReadonlyPaths": ["/proc/y"]}))
    assert (found.linux.masked_paths, found.linux.readonly_paths, found.linux.seccomp) == ([], [], None)
    builtin = spec(container({"Privileged": True, "SecurityOpt": ["seccomp=builtin"]}))
    assert builtin.linux.seccomp is not None


def test_system_paths_unconfined() -> None:
    record = container({"SecurityOpt": ["systempaths=unconfined", "no-new-privileges"]})
    assert record.host.security_opt == ["no-new-privileges"]
    assert (record.host.masked_paths, record.host.readonly_paths) == ([], [])
    assert spec(record).linux.masked_paths == []


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("x", "Decoding seccomp profile failed"),
        ("{}", "Decoding seccomp profile failed"),
        ('{"defaultAction":"SCMP_ACT_ALLOW","architectures":["a"],"archMap":[{"architecture":"b"}]}', "archMap"),
        (
            '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}',
            "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
        ),
    ],
)
def test_seccomp_profiles_that_cannot_be(profile: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        spec(container({"SecurityOpt": [f"seccomp={profile}"]}))
    assert words in caught.value.message


def test_apparmor_profiles_where_the_kernel_has_it() -> None:
    armed = machine_replace(V1, apparmor=True)
    record = container({"SecurityOpt": ["apparmor=mine"]})
    assert spec(record, machine=armed).process.apparmor_profile == "mine"
    assert spec(record).process.apparmor_profile is None
    unconfined = container({"SecurityOpt": ["apparmor=unconfined"]})
    assert spec(unconfined, machine=armed).process.apparmor_profile is None


def test_resource_limits() -> None:
    asked = [Ulimit(name="nofile", soft=10, hard=20), Ulimit(name="CORE", soft=-1, hard=-1)]
    assert build_rlimits(asked, V2) == [
        Rlimit(type="RLIMIT_NOFILE", soft=10, hard=20),
        Rlimit(type="RLIMIT_CORE", soft=UNLIMITED, hard=UNLIMITED),
    ]
    with pytest.raises(StartFailed) as caught:
        build_rlimits([Ulimit(name="nosuch", soft=1, hard=1)], V2)
    assert caught.value.message.endswith(
        "OCI runtime create failed: runc create failed: wrong rlimit value: RLIMIT_NOSUCH"
    )
    assert (caught.value.exit_code, caught.value.status) == (128, 500)


def test_a_limit_that_cannot_be_raised_names_the_values() -> None:
    own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 1 << 40 if own == resource.RLIM_INFINITY else own
    assert build_rlimits([Ulimit(name="nofile", soft=1, hard=most)], V1)
    if own == resource.RLIM_INFINITY:
        pytest.skip("this process may have as many files as it likes")
    for hard, shown in ((own + 1, str(own + 1)), (-1, "unlimited")):
        with pytest.raises(StartFailed) as caught:
            build_rlimits([Ulimit(name="nofile", soft=7, hard=hard)], V1)
        assert "error setting rlimit type 7: operation not permitted" in caught.value.message
        assert f"ulimit nofile=7:{shown} was asked for" in caught.value.message
        assert caught.value.message.endswith(f": {own} is the most")
        assert caught.value.exit_code == 128


def test_the_score_of_the_oom_killer() -> None:
    assert spec(container()).process.oom_score_adj == 0
    assert spec(container({"OomScoreAdj": 500})).process.oom_score_adj == 500
    assert spec(container({"OomScoreAdj": -500}, V2), machine=V2).process.oom_score_adj == -500
    with pytest.raises(StartFailed, match="cannot set the OOM score adjustment to -1000"):
        spec(container({"OomScoreAdj": -1000}))


# mounts


def test_binds_and_volumes() -> None:
    mounts = (
        MountPoint(type="bind", source="/s", destination="/deep/er", propagation="rprivate"),
        MountPoint(type="volume", source="/v/_data", destination="/v", subpath="a/b", rw=False),
        MountPoint(type="bind", source="/s", destination="/dev", propagation="rprivate"),
        MountPoint(type="image", source="x", destination="/i"),
    )
    image = Mount(destination="/i", type="overlay", source="overlay", options=["ro"])
    found = spec(
        container({"Tmpfs": {"/tmp/": "exec"}}, mounts=mounts),
        sources={"/v": "/elsewhere"},
        extra={"/i": [image]},
        files={"/etc/hosts": "/f/hosts"},
        init="/bin/shim",
    )
    assert [mount.destination for mount in found.mounts] == [
        *("/", "/proc", "/sys", "/sys/fs/cgroup", "/sbin/docker-init"),
        *("/v", "/dev", "/i", "/tmp", "/deep/er", "/etc/hosts"),
    ]
    assert mount_at(found, "/v").source == "/elsewhere"
    assert mount_at(found, "/v").options == ["rbind", "rro", "x-estiba.subpath=a/b"]
    assert mount_at(found, "/i") is image
    assert found.process.args == ["/sbin/docker-init", "--", "sleep", "1"]


def test_the_user_s_own_etc_files_win() -> None:
    mounts = (MountPoint(type="bind", source="/mine", destination="/etc/hosts", propagation="rprivate"),)
    found = spec(container(mounts=mounts), files={"/etc/hosts": "/f/hosts", "/etc/hostname": "/f/hostname"})
    assert mount_at(found, "/etc/hosts").source == "/mine"
    assert mount_at(found, "/etc/hostname").source == "/f/hostname"


def test_bad_options_of_tmpfs_show_at_the_start() -> None:
    with pytest.raises(InvalidArgument, match='invalid tmpfs option "nosuch"'):
        spec(container({"Tmpfs": {"/x": "nosuch"}}))


def test_propagation_needs_a_shared_mount() -> None:
    def bound(propagation: str) -> list[tuple[MountPoint, str]]:
        # a file system of the kernel's own: whatever the machine does, nobody makes it shared
        return [(MountPoint(type="bind", destination="/x", propagation=propagation), "/proc/self/fd")]

    assert root_propagation(bound("rprivate")) is None
    shared = {line.split(" ")[4] for line in open_mountinfo() if " shared:" in line}
    if "/proc" in shared:
        assert root_propagation(bound("rshared")) == "shared"
        return
    for word, text in (("shared", "a shared mount"), ("rslave", "a shared or slave mount")):
        with pytest.raises(SystemFailure) as caught:
            root_propagation(bound(word))
        assert caught.value.message == f"path /proc/self/fd is mounted on /proc but it is not {text}"


def open_mountinfo() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.readlines()


# execs


def started(record: Container, **launch: Any) -> Spec:
    return spec(record, **launch)


def test_an_exec_is_like_the_first_process() -> None:
    record = container(
        {"CapDrop": ["ALL"], "CapAdd": ["CHOWN"], "SecurityOpt": ["no-new-privileges"], "OomScoreAdj": 5},
        env=["A=1", "B=2"],
        tty=True,
        working_dir="/srv",
    )
    first = started(record).process
    found = build_exec_process(record, ExecConfig(cmd=["id"], env=["B", "C=3"]), APP, first, V1)
    assert found.args == ["id"]
    assert found.env[1:] == ["HOSTNAME=h", "A=1", "C=3", "HOME=/home/app"]
    assert (found.cwd, found.terminal, found.console_size) == ("/srv", False, None)
    assert (found.user.uid, found.user.gid, found.user.additional_gids) == (1000, 100, [100, 5])
    assert found.capabilities == first.capabilities
    assert found.no_new_privileges
    assert found.oom_score_adj == 5


def test_an_exec_with_a_terminal_and_all_rights() -> None:
    record = container(working_dir="/srv")
    config = ExecConfig(cmd=["sh"], tty=True, console_size=(24, 80), privileged=True, working_dir="/tmp")
    found = build_exec_process(record, config, ROOT, started(record).process, V1)
    assert "TERM=xterm" in found.env
    assert found.console_size is not None
    assert (found.console_size.height, found.console_size.width) == (24, 80)
    assert found.cwd == "/tmp"
    assert found.capabilities is not None
    assert set(found.capabilities.bounding) == V1.capabilities
    assert found.capabilities.inheritable == found.capabilities.ambient == []


def test_an_exec_keeps_a_shared_host_name() -> None:
    record = container({"NetworkMode": "container:x"})
    first = started(record, hostname="donor", joined={"network": "/proc/7/ns/net"}).process
    assert "HOSTNAME=donor" in first.env
    assert "HOSTNAME=donor" in build_exec_process(record, ExecConfig(cmd=["x"]), ROOT, first, V1).env


def test_an_exec_s_variables_need_names() -> None:
    record = container()
    with pytest.raises(StartFailed) as caught:
        build_exec_process(record, ExecConfig(cmd=["x"], env=["=x"]), ROOT, started(record).process, V1)
    assert caught.value.message == (
        "OCI runtime exec failed: exec failed: unable to start container process: invalid environment variable: "
        "name cannot be empty"
    )


def test_inheritable_capabilities_stay_empty() -> None:
    for user in (ROOT, APP):
        sets = started(container({"CapAdd": ["ALL"]}), user=user).process.capabilities
        assert sets is not None
        assert sets.inheritable == sets.ambient == []


def test_the_umask_is_docker_s() -> None:
    before = os.umask(0o077)
    try:
        assert started(container()).process.user.umask == 0o022
    finally:
        os.umask(before)
