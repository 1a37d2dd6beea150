"""The OCI runtime specification's config.json as typed values (opencontainers/runtime-spec 1.2, Linux parts).

Field names are the specification's in snake case; `msgspec.json.encode` writes the specification's own names.
"""

from __future__ import annotations

import msgspec

_SPECIAL = {
    "throttle_read_iops_device": "throttleReadIOPSDevice",
    "throttle_write_iops_device": "throttleWriteIOPSDevice",
    "disable_oom_killer": "disableOOMKiller",
    "kernel_tcp": "kernelTCP",
    "container_id": "containerID",
    "host_id": "hostID",
    "oci_version": "ociVersion",
    "block_io": "blockIO",
}


def _name(field: str) -> str:
    if field in _SPECIAL:
        return _SPECIAL[field]
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


class _Spec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename=_name):
    """Base: immutable, written without the fields that have their default."""


class Box(_Spec, frozen=True, kw_only=True):
    """Size of a terminal in characters."""

    height: int
    width: int


class User(_Spec, frozen=True, kw_only=True):
    """Numeric identity of the process, as seen inside the container."""

    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: list[int] = []


class Capabilities(_Spec, frozen=True, kw_only=True):
    """Names with the CAP_ prefix, one list per kernel set."""

    bounding: list[str] = []
    effective: list[str] = []
    inheritable: list[str] = []
    permitted: list[str] = []
    ambient: list[str] = []


class Rlimit(_Spec, frozen=True, kw_only=True):
    """One limit: type is RLIMIT_NOFILE and the like."""

    type: str
    hard: int
    soft: int


class Process(_Spec, frozen=True, kw_only=True):
    """What is executed, as whom and with which rights."""

    args: list[str]
    cwd: str = "/"
    env: list[str] = []
    terminal: bool = False
    console_size: Box | None = None
    user: User = User()
    capabilities: Capabilities | None = None
    rlimits: list[Rlimit] = []
    no_new_privileges: bool = False
    oom_score_adj: int | None = None
    apparmor_profile: str | None = None
    selinux_label: str | None = None


class Root(_Spec, frozen=True, kw_only=True):
    """The root file system: a directory of the host (unused when the first mount is `/`)."""

    path: str
    readonly: bool = False


class IdMapping(_Spec, frozen=True, kw_only=True):
    """A range of ids: container side, host side, length."""

    container_id: int
    host_id: int
    size: int


class Mount(_Spec, frozen=True, kw_only=True):
    """One mount; options are the specification's words (ro, nosuid, rbind, rprivate, rro, …) and file-system data."""

    destination: str
    type: str | None = None
    source: str | None = None
    options: list[str] | None = None
    uid_mappings: list[IdMapping] | None = None
    gid_mappings: list[IdMapping] | None = None


class Namespace(_Spec, frozen=True, kw_only=True):
    """A namespace to make, or to join when a path is given.

    type is pid, network, mount, ipc, uts, user, cgroup or time. path is /proc/PID/ns/TYPE or any bound namespace
    file; the runtime also accepts /proc/self/fd/N of a descriptor that it holds.
    """

    type: str
    path: str | None = None


class Device(_Spec, frozen=True, kw_only=True):
    """A device node to make: type is c, b, u or p."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class DeviceCgroup(_Spec, frozen=True, kw_only=True):
    """One rule of the device filter; absent numbers mean any; access is a subset of `rwm`."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"


class Memory(_Spec, frozen=True, kw_only=True):
    """Bytes; -1 is unlimited. swap is memory plus swap."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = None
    swappiness: int | None = None
    disable_oom_killer: bool | None = None


class Cpu(_Spec, frozen=True, kw_only=True):
    """Shares, microseconds of quota per period, and the cpus and memory nodes allowed."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str | None = None
    mems: str | None = None
    idle: int | None = None


class Pids(_Spec, frozen=True, kw_only=True):
    """The most processes; -1 is unlimited."""

    limit: int


class WeightDevice(_Spec, frozen=True, kw_only=True):
    """Weight (10 to 1000) of one block device."""

    major: int
    minor: int
    weight: int


class ThrottleDevice(_Spec, frozen=True, kw_only=True):
    """Bytes or operations per second for one block device."""

    major: int
    minor: int
    rate: int


class BlockIO(_Spec, frozen=True, kw_only=True):
    """Block device weights and throttles."""

    weight: int | None = None
    weight_device: list[WeightDevice] = []
    throttle_read_bps_device: list[ThrottleDevice] = []
    throttle_write_bps_device: list[ThrottleDevice] = []
    throttle_read_iops_device: list[ThrottleDevice] = []
    throttle_write_iops_device: list[ThrottleDevice] = []


class HugepageLimit(_Spec, frozen=True, kw_only=True):
    """Bytes of huge pages of one size (2MB)."""

    page_size: str
    limit: int


class Resources(_Spec, frozen=True, kw_only=True):
    """Limits of the container's cgroup."""

    devices: list[DeviceCgroup] = []
    memory: Memory | None = None
    cpu: Cpu | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = None
    hugepage_limits: list[HugepageLimit] = []
    unified: dict[str, str] = {}


class SeccompArg(_Spec, frozen=True, kw_only=True):
    """A condition on one argument of a system call."""

    index: int
    value: int
    op: str
    value_two: int = 0


class SeccompRule(_Spec, frozen=True, kw_only=True):
    """System call names with one action, possibly under conditions."""

    names: list[str]
    action: str
    errno_ret: int | None = None
    args: list[SeccompArg] = []


class Seccomp(_Spec, frozen=True, kw_only=True):
    """A resolved filter: default action, architectures, rules."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: list[str] = []
    flags: list[str] = []
    listener_path: str | None = None
    listener_metadata: str | None = None
    syscalls: list[SeccompRule] = []


class Linux(_Spec, frozen=True, kw_only=True):
    """The Linux part of the specification."""

    namespaces: list[Namespace] = []
    uid_mappings: list[IdMapping] = []
    gid_mappings: list[IdMapping] = []
    devices: list[Device] = []
    cgroups_path: str | None = None
    resources: Resources | None = None
    rootfs_propagation: str | None = None
    seccomp: Seccomp | None = None
    sysctl: dict[str, str] = {}
    masked_paths: list[str] = []
    readonly_paths: list[str] = []
    mount_label: str | None = None


class Spec(_Spec, frozen=True, kw_only=True):
    """config.json as a whole.

    Where the first mount's destination is `/`, that mount (an overlay) is the root and `root.path` is the empty
    directory on which it is attached.
    """

    oci_version: str = "1.2.1"
    root: Root
    process: Process
    hostname: str | None = None
    domainname: str | None = None
    mounts: list[Mount] = []
    linux: Linux = Linux()
    annotations: dict[str, str] = {}
