"""Docker's answers to requests that cannot be meant, measured on 28.5.2."""

from __future__ import annotations

from dataclasses import replace as machine_replace
from typing import Any

import msgspec
import pytest
from tests.unit.engine.machines import V1, V1_LIMITS, V2

from estiba.engine.config import ContainerConfig, HostConfig, NetworkingConfig, PortBinding, RestartPolicy
from estiba.engine.request.merge import complete
from estiba.engine.request.validate import check_create, check_host, check_request
from estiba.engine.request.validate_resources import parse_cpuset
from estiba.errors import EstibaError, InvalidArgument, Unsupported
from estiba.oci.image import Defaults

MIB = 1 << 20
NANO = 1_000_000_000
MORE = "; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
ONLY = "maximum retry count can only be used with 'on-failure'"
ALIAS = "network-scoped alias is supported only for containers in user defined networks"
DROPPED = "or the cgroup is not mounted."


def check(config: dict[str, Any], host: dict[str, Any], networking: dict[str, Any], machine: Any = V1) -> list[str]:
    return check_request(
        msgspec.convert(config, ContainerConfig),
        msgspec.convert(host, HostConfig),
        msgspec.convert(networking, NetworkingConfig),
        machine,
    )


def refusal(config: dict[str, Any], host: dict[str, Any], networking: dict[str, Any] | None = None) -> EstibaError:
    with pytest.raises(EstibaError) as caught:
        check(config, host, networking or {})
    return caught.value


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"StopSignal": "NOSUCH"}, "invalid signal: NOSUCH"),
        ({"StopSignal": "0"}, "invalid signal: 0"),
        ({"Env": ["=x"]}, "invalid environment variable: =x"),
        ({"Env": ["A=1", ""]}, "invalid environment variable: "),
        ({"Env": ["="]}, "invalid environment variable: ="),
        ({"WorkingDir": "x"}, "the working directory 'x' is invalid, it needs to be an absolute path"),
        ({"WorkingDir": "."}, "the working directory '.' is invalid, it needs to be an absolute path"),
        ({"Healthcheck": {"Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Interval": -5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Timeout": 5}}, "Timeout in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"StartPeriod": 5}}, "StartPeriod in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"StartInterval": 5}}, "StartInterval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Retries": -1}}, "Retries in Healthcheck cannot be negative"),
    ],
)
def test_config(config: dict[str, Any], message: str) -> None:
    error = refusal(config, {})
    assert (error.message, error.status) == (message, 400)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        # memory
        ({"Memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({"Memory": -1}, "Minimum memory limit allowed is 6MB"),
        (
            {"Memory": 64 * MIB, "MemorySwap": 32 * MIB},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        ({"MemorySwap": 64 * MIB}, "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (
            {"Memory": 64 * MIB, "MemoryReservation": 128 * MIB},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"MemoryReservation": MIB}, "Minimum memory reservation allowed is 6MB"),
        ({"MemorySwappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        ({"MemorySwappiness": -2}, "Invalid value: -2, valid memory swappiness range is 0-100"),
        # processors
        ({"NanoCpus": 9999 * NANO}, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"NanoCpus": -1}, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"NanoCpus": NANO, "CpuQuota": 5000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ({"NanoCpus": NANO, "CpuPeriod": 5000}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        (
            {"CpuPeriod": 500},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (
            {"CpuPeriod": 2_000_000},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ({"CpuQuota": 500}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"CpuShares": -1}, "invalid CPU shares (-1): value must be a positive integer"),
        (
            {"CpuRealtimeRuntime": 1000, "CpuRealtimePeriod": 10},
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ),
        ({"CpusetCpus": "9"}, "Requested CPUs are not available - requested 9, available: 0-1"),
        ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x"),
        ({"CpusetCpus": "1-0"}, "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"),
        ({"CpusetCpus": "0-"}, "Invalid value 0- for cpuset cpus: invalid format: 0-"),
        ({"CpusetCpus": ","}, "Invalid value , for cpuset cpus: invalid format: ,"),
        ({"CpusetCpus": "8000-9000"}, "Invalid value 8000-9000 for cpuset cpus: value of out range, maximum is 8192"),
        ({"CpusetMems": "9"}, "Requested memory nodes are not available - requested 9, available: 0"),
        ({"CpusetMems": "x"}, "Invalid value x for cpuset mems: invalid format: x"),
        ({"IOMaximumIOps": 5}, "invalid option: QoS maximum IOPs configuration is not supported on linux"),
        ({"IOMaximumBandwidth": 5}, "invalid option: QoS maximum bandwidth configuration is not supported on linux"),
        # modes
        ({"Isolation": "hyperv"}, "invalid isolation (hyperv): linux only supports 'default'"),
        ({"IpcMode": "nosuch"}, "invalid IPC mode: nosuch"),
        ({"IpcMode": "container:"}, "invalid IPC mode: container:"),
        ({"PidMode": "nosuch"}, "invalid PID mode: nosuch"),
        ({"PidMode": "container:"}, "invalid PID mode: container:"),
        ({"UTSMode": "nosuch"}, "invalid UTS mode: nosuch"),
        ({"CgroupnsMode": "nosuch"}, "invalid cgroup namespace mode: nosuch"),
        ({"NetworkMode": "container:"}, "invalid network mode: invalid container format container:<name|id>"),
        ({"NetworkMode": "container"}, "invalid network mode: invalid container format container:<name|id>"),
        ({"NetworkMode": "container:x", "Dns": ["1.1.1.1"]}, "conflicting options: dns and the network mode"),
        (
            {"NetworkMode": "container:x", "ExtraHosts": ["a:1.1.1.1"]},
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            {"NetworkMode": "container:x", "PublishAllPorts": True},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {"NetworkMode": "container:x", "PortBindings": {"80/tcp": [{"HostPort": "1"}]}},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            {"NetworkMode": "container:x", "Links": ["x:y"]},
            (
                "conflicting options: container type network can't be used with links. "
                "This would result in undefined behavior"
            ),
        ),
        # others
        ({"ShmSize": -1}, "SHM size can not be less than 0"),
        ({"OomScoreAdj": 2000}, "Invalid value 2000, range for oom score adj is [-1000, 1000]"),
        ({"Runtime": "nosuch"}, "unknown or invalid runtime name: nosuch"),
        ({"Annotations": {"": "x"}}, "invalid Annotations: the empty string is not permitted as an annotation key"),
        ({"CapAdd": ["NOSUCH"]}, 'invalid CapAdd: unknown capability: "CAP_NOSUCH"'),
        ({"SecurityOpt": ["nosuch"]}, 'invalid --security-opt 1: "nosuch"'),
        ({"ExtraHosts": ["x"]}, 'bad format for add-host: "x"'),
        ({"Tmpfs": {"b": ""}}, "invalid mount path: 'b' mount path must be absolute"),
        ({"Tmpfs": {"/": ""}}, "invalid specification: destination can't be '/'"),
        ({"Tmpfs": {"": ""}}, "invalid mount path: '' mount path must be absolute"),
        (
            {"Mounts": [{"Type": "nosuch", "Target": "/b"}]},
            'invalid mount config for type "nosuch": mount type unknown',
        ),
        ({"StorageOpt": {"foo": "1G"}}, "Unknown option foo"),
        (
            {"StorageOpt": {"size": "1G"}},
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        # restart policies
        (
            {"AutoRemove": True, "RestartPolicy": {"Name": "always"}},
            "can't create 'AutoRemove' container with restart policy",
        ),
        ({"RestartPolicy": {"Name": "nosuch"}}, f"invalid restart policy: unknown policy 'nosuch'{MORE}"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, f"invalid restart policy: {ONLY}"),
        ({"RestartPolicy": {"Name": "", "MaximumRetryCount": 3}}, f"invalid restart policy: {ONLY}"),
        (
            {"RestartPolicy": {"Name": "always", "MaximumRetryCount": -3}},
            f"invalid restart policy: {ONLY} and cannot be negative",
        ),
        (
            {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
            "invalid restart policy: maximum retry count cannot be negative",
        ),
        # ports
        ({"PortBindings": {"abc/tcp": [{}]}}, 'invalid port specification: "abc"'),
        ({"PortBindings": {"99999": None}}, 'invalid port specification: "99999"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, 'invalid port specification: "99999"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "9-8"}]}}, 'invalid port specification: "9-8"'),
        # logs
        ({"LogConfig": {"Type": "nosuch"}}, 'error looking up logging plugin nosuch: plugin "nosuch" not found'),
        (
            {"LogConfig": {"Type": "json-file", "Config": {"nosuch": "1"}}},
            "unknown log opt 'nosuch' for json-file log driver",
        ),
        ({"LogConfig": {"Config": {"mode": "x"}}}, "logger: logging mode not supported: x"),
        (
            {"LogConfig": {"Config": {"max-buffer-size": "1m"}}},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        ({"LogConfig": {"Config": {"max-size": "x"}}}, "invalid size: 'x'"),
        ({"LogConfig": {"Config": {"max-size": "0"}}}, "max-size must be a positive number"),
        ({"LogConfig": {"Config": {"max-file": "0"}}}, "max-file cannot be less than 1"),
        ({"LogConfig": {"Config": {"max-file": "a"}}}, 'strconv.Atoi: parsing "a": invalid syntax'),
    ],
)
def test_host(host: dict[str, Any], message: str) -> None:
    error = refusal({}, host)
    assert (error.message, error.status) == (message, 400)


@pytest.mark.parametrize(
    ("config", "host", "message"),
    [
        ({"Hostname": "x"}, {"UTSMode": "host"}, "conflicting options: hostname and the UTS mode"),
        ({"Hostname": "x"}, {"NetworkMode": "container:y"}, "conflicting options: hostname and the network mode"),
        (
            {"ExposedPorts": {"80/tcp": {}}},
            {"NetworkMode": "container:y"},
            "conflicting options: port exposing and the container type network mode",
        ),
    ],
)
def test_config_and_host_together(config: dict[str, Any], host: dict[str, Any], message: str) -> None:
    assert refusal(config, host).message == message


@pytest.mark.parametrize(
    ("name", "endpoint", "message"),
    [
        ("bridge", {"MacAddress": "zz"}, "invalid MAC address zz"),
        ("bridge", None, "EndpointsConfig is nil"),
        (
            "bridge",
            {"Aliases": ["x"]},
            "invalid endpoint settings:\n" + ALIAS,
        ),
        (
            "default",
            {"IPAMConfig": {"IPv4Address": "172.31.255.9"}},
            "invalid endpoint settings:\nuser specified IP address is supported on user defined networks only",
        ),
    ],
)
def test_endpoints(name: str, endpoint: dict[str, Any] | None, message: str) -> None:
    error = refusal({}, {}, {"EndpointsConfig": {name: endpoint}})
    assert error.message == f"invalid config for network {name}: {message}"


@pytest.mark.parametrize(
    ("config", "host", "networking", "words"),
    [
        ({}, {"NetworkMode": "mine"}, {}, "cannot use network mine: user-defined networks are not supported yet"),
        ({}, {}, {"EndpointsConfig": {"bridge": {}, "mine": {}}}, "cannot use network mine"),
        ({}, {"Links": ["a:b"]}, {}, "cannot link containers"),
        ({}, {"UsernsMode": "private"}, {}, "user namespaces are not supported yet"),
        ({}, {"LogConfig": {"Type": "local"}}, {}, "the log driver local is not supported"),
        ({"MacAddress": "02:42:ac:11:00:05"}, {}, {}, "cannot give a MAC address"),
        ({}, {}, {"EndpointsConfig": {"bridge": {"MacAddress": "02:42:ac:11:00:05"}}}, "cannot give a MAC address"),
    ],
)
def test_what_comes_later_is_said(
    config: dict[str, Any], host: dict[str, Any], networking: dict[str, Any], words: str
) -> None:
    error = refusal(config, host, networking)
    assert isinstance(error, Unsupported)
    assert words in error.message


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({"StopSignal": "SIGRTMIN+3"}, {}),
        ({"StopSignal": "9", "Env": ["A", "A B=1"], "WorkingDir": "/a/../b"}, {}),
        ({"Healthcheck": {"Test": ["NOSUCH", "x"]}}, {}),
        ({"Hostname": "a b"}, {}),
        ({"ExposedPorts": {"x/tcp": {}}}, {}),
        ({}, {"Memory": 64 * MIB, "MemorySwap": -1, "MemoryReservation": -1, "MemorySwappiness": -1}),
        ({}, {"CpuQuota": -1, "CpusetCpus": "0-1", "CpusetMems": "0", "CpuShares": 1}),
        ({}, {"NanoCpus": 2 * NANO, "PidsLimit": -7, "KernelMemory": 1, "CpuCount": 2}),
        ({}, {"NetworkMode": "container:x", "PidMode": "container:y", "IpcMode": "shareable"}),
        ({}, {"UsernsMode": "host", "Isolation": "default", "Runtime": "io.containerd.runc.v2"}),
        ({}, {"Devices": [{"PathOnHost": "/dev/nosuch", "CgroupPermissions": "rwm"}]}),
        ({}, {"Ulimits": [{"Name": "nosuch", "Soft": 1, "Hard": 1}], "Sysctls": {"kernel.nosuch": "1"}}),
        ({}, {"Tmpfs": {"/b": "nosuch=1"}, "Dns": ["x"], "GroupAdd": ["nosuch"]}),
        ({}, {"BlkioDeviceReadBps": [{"Path": "/dev/nosuch", "Rate": 1}]}),
        ({}, {"LogConfig": {"Type": "none", "Config": {"x": "y"}}, "ExtraHosts": ["gw:host-gateway"]}),
        ({}, {"LogConfig": {"Type": "json-file", "Config": {"max-size": "-1", "max-file": "3"}}}),
        ({}, {"PortBindings": {"80/foo": [{"HostIp": "x", "HostPort": "8000-8010"}]}}),
        ({}, {"SecurityOpt": ["seccomp=nonsense", "label=disable"], "CapAdd": ["ALL"], "CapDrop": ["all"]}),
    ],
)
def test_what_is_accepted_without_a_word(config: dict[str, Any], host: dict[str, Any]) -> None:
    assert check(config, host, {}) == []


@pytest.mark.parametrize(
    ("host", "warning"),
    [
        ({"BlkioWeight": 100}, f"Your kernel does not support Block I/O weight {DROPPED} Weight discarded."),
        (
            {"BlkioWeightDevice": [{"Path": "/dev/nosuch", "Weight": 100}]},
            f"Your kernel does not support Block I/O weight_device {DROPPED} Weight-device discarded.",
        ),
        (
            {"OomKillDisable": True},
            (
                "OOM killer is disabled for the container, but no memory limit is set, "
                "this can result in the system running out of resources."
            ),
        ),
        ({"CpuPercent": 5}, "linux does not support CPU percent. Percent discarded."),
        (
            {"NetworkMode": "host", "PortBindings": {"80/tcp": [{"HostPort": "1"}]}},
            "Published ports are discarded when using host network mode",
        ),
        ({"SecurityOpt": ["apparmor=x"]}, "This kernel has no AppArmor: the profile x has no effect."),
    ],
)
def test_warnings(host: dict[str, Any], warning: str) -> None:
    assert check({}, host, {}) == [warning]


@pytest.mark.parametrize(
    ("host", "warning"),
    [
        ({"OomKillDisable": True}, "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
        (
            {"MemorySwappiness": 10},
            f"Your kernel does not support memory swappiness capabilities {DROPPED} Memory swappiness discarded.",
        ),
    ],
)
def test_warnings_of_cgroup_v2(host: dict[str, Any], warning: str) -> None:
    assert check({}, host, {}, V2) == [warning]


def test_an_enforcing_selinux_is_told() -> None:
    assert check({}, {}, {}, machine_replace(V1, selinux_enforcing=True)) == [
        "SELinux is enforcing on this machine, but containers are not labelled yet."
    ]


def test_a_kernel_without_real_time_groups() -> None:
    machine = machine_replace(V1, limits=machine_replace(V1_LIMITS, cpu_realtime=False, cpu_cfs=False))
    with pytest.raises(InvalidArgument, match="kernel does not support CPU real-time scheduler"):
        check({}, {"CpuRealtimePeriod": 1000}, {}, machine)
    with pytest.raises(InvalidArgument, match="NanoCPUs can not be set"):
        check({}, {"NanoCpus": 1}, {}, machine)


def test_an_update_is_checked_alike() -> None:
    with pytest.raises(InvalidArgument, match="6MB"):
        check_host(HostConfig(memory=1), V1)
    with pytest.raises(InvalidArgument, match="unknown policy"):
        check_host(HostConfig(restart_policy=RestartPolicy(name="x")), V1)


@pytest.mark.parametrize(
    ("host", "image", "refused"),
    [
        (HostConfig(port_bindings={"80/tcp": [PortBinding()]}), Defaults(), True),
        (HostConfig(port_bindings={"80/tcp": [PortBinding()]}, network_mode="host"), Defaults(), False),
        (HostConfig(port_bindings={"80/tcp": [PortBinding()]}, network_mode="none"), Defaults(), False),
        (HostConfig(port_bindings={"80/tcp": []}), Defaults(), False),
        (HostConfig(port_bindings={"80/tcp": None}), Defaults(), False),
        (HostConfig(publish_all_ports=True), Defaults(exposed_ports={"80/tcp": {}}), True),
        (HostConfig(publish_all_ports=True), Defaults(), False),
        (HostConfig(), Defaults(exposed_ports={"$PORT": {}, "80-90/tcp": {}}), False),
    ],
)
def test_published_ports(host: HostConfig, image: Defaults, refused: bool) -> None:
    found = complete(
        ContainerConfig(cmd=["x"]),
        host,
        NetworkingConfig(),
        image,
        container_id="1" * 64,
        machine=V1,
        find=lambda _: None,
    )
    if refused:
        with pytest.raises(Unsupported, match="published ports are not supported yet"):
            check_create(found)
    else:
        check_create(found)


def test_lists_of_processors() -> None:
    assert parse_cpuset("0-2,7,4-4") == {0, 1, 2, 4, 7}
    for text in ("", "a", "1,", "-1", "1-2-3", "٣"):
        with pytest.raises(ValueError, match="invalid format"):
            parse_cpuset(text)
