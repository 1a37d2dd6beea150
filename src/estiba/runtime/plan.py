"""Compiles an OCI specification to a launch plan: the list of operations that native/plan.c executes.

compile_plan (or compile_exec_plan) → encode() into a memfd → the shim runs it → explain() where it failed.
Nothing here touches the machine but for one look whether the host has /proc/kcore.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported
from estiba.runtime import plan_process, plan_sysctls
from estiba.runtime.plan_describe import describe
from estiba.runtime.plan_explain import explain
from estiba.runtime.plan_mounts import MountPlan
from estiba.runtime.plan_operations import (
    CLONE_FLAGS,
    CONSOLE_BIND,
    CONSOLE_LATER,
    FIRST_PLANNED,
    NONE,
    ROOT,
    STDIO_STDIN,
    STDIO_STDIN_ONCE,
    STDIO_TERMINAL,
    Code,
    Operation,
    assemble,
    decode,
    encode,
)
from estiba.runtime.plan_options import MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, RDONLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.errors import StartFailed
    from estiba.oci.runtime_spec import Device, IdMapping, Linux, Process, Spec
    from estiba.runtime.cgroup import CgroupMount


@dataclass(frozen=True, slots=True)
class Stdio:
    """What is connected to the process's stdin; a terminal is asked for in the specification."""

    open_stdin: bool = False
    stdin_once: bool = False


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where the container's output is written.

    Attributes:
        directory: its directory, given to the shim as a descriptor.
        name: the file's name in it.
        max_size: bytes after which a new file is begun; -1: never.
        max_files: how many files are kept.
    """

    directory: Path
    name: str
    max_size: int
    max_files: int


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What lies at which descriptor number when the shim starts. Numbers are 8 and up.

    Attributes:
        cgroup_procs: cgroup.procs files that the process joins (v1: one per hierarchy; v2: one, or by directory).
        cgroup_directory: the v2 cgroup's directory, in which the process is born.
        shims_cgroup: cgroup.procs files that the shim itself joins.
        oom_watch: an eventfd (v1) or memory.events (v2) that tells of OOM kills; oom_unified says which.
        oom_count: a file that has the line `oom_kill N`.
        namespaces: type of the specification (`network`) to a namespace file or pidfd to join.
        sources: destination of a bind mount to its source, opened with O_PATH in the engine's mount namespace.
        trees: destination of a mount to a detached mount (open_tree, fsmount) that is attached there as it is.
        idmaps: destination of a mount with id mappings to the user namespace that has them.
        first_free: one more than the highest number in use.
    """

    cgroup_procs: tuple[int, ...] = ()
    cgroup_directory: int | None = None
    shims_cgroup: tuple[int, ...] = ()
    oom_watch: int | None = None
    oom_count: int | None = None
    oom_unified: bool = False
    namespaces: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    trees: Mapping[str, int] = field(default_factory=dict)
    idmaps: Mapping[str, int] = field(default_factory=dict)
    first_free: int = FIRST_PLANNED


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled plan: its bytes, and what they mean for people."""

    data: bytes
    is_exec: bool = False

    def encode(self) -> bytes:
        """The bytes for the shim's memfd."""
        return self.data

    def operations(self) -> list[Operation]:
        """The records, decoded."""
        return list(decode(self.data))

    def describe(self) -> list[str]:
        """One line per operation, for `estiba plan`."""
        return [describe(operation) for operation in self.operations()]

    def explain(self, index: int, code: int, errno: int, text: str) -> StartFailed:
        """The error for what the shim reported: operation, errno, the kernel's own words."""
        return explain(self.operations(), index, code, errno, text, is_exec=self.is_exec)


_PROPAGATION: Final = {
    "shared": MS_SHARED,
    "slave": MS_SLAVE,
    "private": MS_PRIVATE,
    "unbindable": MS_UNBINDABLE,
}
_DEVICE_TYPES: Final = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
_DEFAULT_NODES: Final = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
)
_DEFAULT_LINKS: Final = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)
_SAFE_EARLY_LIMIT: Final = 1024


def compile_plan(
    spec: Spec,
    *,
    stdio: Stdio,
    log: LogFile | None,
    descriptors: Descriptors,
    cgroups: Sequence[CgroupMount] = (),
    keyring: str | None = None,
) -> Plan:
    """The plan that starts a container.

    A namespace of the specification with a path must be in descriptors.namespaces. cgroups are the directories that
    /sys/fs/cgroup shows (`Cgroup.mounts()`); keyring is the name of the session keyring that start and exec share.
    Raises InvalidArgument, Unsupported, and StartFailed for a mount inside /proc.
    """
    plan_process.check(spec.process)
    spaces = _Namespaces(spec.linux, descriptors)
    mounts = MountPlan(
        user_namespace=spaces.own_user,
        private_cgroups="cgroup" in spaces.made,
        cgroups=cgroups,
        sources=descriptors.sources,
        trees=descriptors.trees,
        idmaps=descriptors.idmaps,
    )
    mounts.root(spec)
    for mount in spec.mounts[1 if spec.mounts and spec.mounts[0].destination == "/" else 0 :]:
        mounts.add(mount)
    _devices(spec, mounts, spaces)
    return Plan(
        assemble(
            [
                *_outer(spec.process, stdio, log, descriptors),
                *mounts.outer,
                *spaces.enter(spec, keyring),
                *_set_up_names(spec, spaces),
                encode(Code.PROPAGATION, MS_SLAVE | MS_REC),
                *mounts.inner,
                *_console(spec.process, bind=True, later=spaces.joins_pids),
                encode(Code.PIVOT),
                *_hidden(tuple(spec.linux.readonly_paths), tuple(spec.linux.masked_paths)),
                *_root_attributes(spec),
                *plan_process.limits(spec.process),
                *plan_process.finish(spec.process, spec.linux.seccomp, late=spaces.late()),
            ]
        )
    )


def compile_exec_plan(
    process: Process,
    spec: Spec,
    *,
    stdio: Stdio,
    join: int,
    descriptors: Descriptors,
    keyring: str | None = None,
) -> Plan:
    """The plan that runs one more process in a container whose PID 1 is the pidfd at number `join`.

    It becomes visible inside only in its last step, with its final rights and no descriptor of the host.
    """
    plan_process.check(process, is_exec=True)
    flags = CLONE_FLAGS["mount"]
    for namespace in spec.linux.namespaces:
        flags |= _flag(namespace.type)
    records = _outer(process, stdio, None, descriptors)
    records += _clone_and_join(process, descriptors)
    records.append(encode(Code.SETNS, join, flags))
    if keyring:
        records.append(encode(Code.KEYRING, strings=(keyring,)))
    records += _console(process, bind=False, later=True)
    records += plan_process.limits(process)
    records += plan_process.finish(process, spec.linux.seccomp, late=encode(Code.CLONE, 0, NONE))
    return Plan(assemble(records), is_exec=True)


def _outer(process: Process, stdio: Stdio, log: LogFile | None, descriptors: Descriptors) -> list[bytes]:
    flags = (
        (STDIO_STDIN if stdio.open_stdin else 0)
        | (STDIO_STDIN_ONCE if stdio.stdin_once else 0)
        | (STDIO_TERMINAL if process.terminal else 0)
    )
    records = [encode(Code.STDIO, flags), encode(Code.DESCRIPTORS, descriptors.first_free)]
    if log is not None:
        size = NONE if log.max_size < 0 else log.max_size
        records.append(encode(Code.LOG, size, log.max_files, strings=(log.name,)))
    if descriptors.oom_watch is not None:
        count = NONE if descriptors.oom_count is None else descriptors.oom_count
        records.append(encode(Code.OOM, descriptors.oom_watch, int(descriptors.oom_unified), count))
    records += [encode(Code.SHIM_CGROUP, number) for number in descriptors.shims_cgroup]
    return records


def _clone_and_join(process: Process, descriptors: Descriptors, flags: int = 0) -> list[bytes]:
    """The child, in its cgroups from the start (or as its first act), before anything of the container is seen."""
    directory = NONE if descriptors.cgroup_directory is None else descriptors.cgroup_directory
    records = [encode(Code.CLONE, flags, directory)]
    if descriptors.cgroup_directory is None:
        records += [encode(Code.CGROUP, number) for number in descriptors.cgroup_procs]
    if process.oom_score_adj is not None:
        records.append(plan_process.oom_score(process.oom_score_adj))
    return records


def _flag(kind: str) -> int:
    if kind not in CLONE_FLAGS:
        raise Unsupported(f"{kind} namespaces are not supported")
    return CLONE_FLAGS[kind]


class _Namespaces:
    """Which namespaces are made and which are joined, and the order in which that can be done.

    Attributes:
        made: types of new ones.
        joined: type to descriptor number.
        own_user: whether the process is not in the host's user namespace.
        joins_pids: whether it becomes visible to other processes of a pid namespace in its last step.
    """

    def __init__(self, linux: Linux, descriptors: Descriptors) -> None:
        self.made: set[str] = set()
        self.joined: dict[str, int] = {}
        self._descriptors = descriptors
        self._linux = linux
        for namespace in linux.namespaces:
            _flag(namespace.type)
            if namespace.path is None:
                self.made.add(namespace.type)
            elif namespace.type == "mount":
                raise Unsupported("a container cannot start in a mount namespace that exists")
            elif namespace.type not in descriptors.namespaces:
                raise InvalidArgument(f"no {namespace.type} namespace to join was given")
            else:
                self.joined[namespace.type] = descriptors.namespaces[namespace.type]
        self.made.add("mount")
        self.own_user = "user" in self.made or "user" in self.joined
        self.joins_pids = "pid" in self.joined

    def enter(self, spec: Spec, keyring: str | None) -> list[bytes]:
        """Everything up to being in all namespaces.

        With a user namespace a first process joins what needs the host's rights, enters it, and makes the rest from
        within, so that they belong to it.
        """
        flags = sum(CLONE_FLAGS[kind] for kind in self.made - {"user", "cgroup"})
        join = [
            encode(Code.SETNS, self.joined[kind], CLONE_FLAGS[kind]) for kind in sorted(self.joined.keys() - {"user"})
        ]
        if self.own_user:
            records = _clone_and_join(spec.process, self._descriptors)
            records += [*_early_limits(spec.process), *join, *self._enter_user(spec)]
            records.append(encode(Code.CLONE, flags, NONE))
        else:
            records = _clone_and_join(spec.process, self._descriptors, flags) + join
        if keyring:
            records.append(encode(Code.KEYRING, strings=(keyring,)))
        if "cgroup" in self.made:
            records.append(encode(Code.UNSHARE, CLONE_FLAGS["cgroup"]))
        return records

    def _enter_user(self, spec: Spec) -> list[bytes]:
        if "user" in self.joined:
            return [encode(Code.SETNS, self.joined["user"], CLONE_FLAGS["user"])]
        uids, gids = self._linux.uid_mappings, self._linux.gid_mappings
        if not uids or not gids:
            raise InvalidArgument("a user namespace needs uidMappings and gidMappings")
        records = []
        owner = _outside(uids, spec.process.user.uid)
        if owner is not None and not spec.process.terminal:
            records.append(encode(Code.STDIO_OWNER, owner))
        records.append(encode(Code.USERNS, 0, strings=(_map_text(uids), _map_text(gids))))
        return records

    def late(self) -> bytes:
        """The step that makes the process visible in a pid namespace that it joined."""
        return encode(Code.CLONE, 0, NONE) if self.joins_pids else b""


def _map_text(mappings: Sequence[IdMapping]) -> str:
    return "".join(f"{m.container_id} {m.host_id} {m.size}\n" for m in mappings)


def _outside(mappings: Sequence[IdMapping], number: int) -> int | None:
    for mapping in mappings:
        if mapping.container_id <= number < mapping.container_id + mapping.size:
            return mapping.host_id + number - mapping.container_id
    return None


def _early_limits(process: Process) -> list[bytes]:
    """Raising a limit needs the host's rights; lowering one waits, since the set-up itself must not hit it."""
    return [
        encode(Code.RLIMIT, plan_process.rlimit_number(limit.type), limit.hard, limit.hard)
        for limit in process.rlimits
        if limit.hard >= _SAFE_EARLY_LIMIT
    ]


def _set_up_names(spec: Spec, spaces: _Namespaces) -> list[bytes]:
    """The loopback interface, sysctls and names of fresh namespaces: through no file of the container."""
    records = []
    if "network" in spaces.made:
        records.append(encode(Code.LOOPBACK))
    if spec.hostname and "uts" in spaces.made:
        records.append(encode(Code.HOSTNAME, strings=(spec.hostname,)))
    if spec.domainname and "uts" in spaces.made:
        records.append(encode(Code.DOMAINNAME, strings=(spec.domainname,)))
    return records + plan_sysctls.records(spec.linux.sysctl, spaces.made | spaces.joined.keys())


def _devices(spec: Spec, mounts: MountPlan, spaces: _Namespaces) -> None:
    """Nodes and links in /dev, unless /dev is a bind of another one."""
    if any(mount.destination.rstrip("/") == "/dev" and _is_bind(mount.options) for mount in spec.mounts):
        return
    own = {path for path, _, _ in _DEFAULT_NODES}
    others = [device for device in spec.linux.devices if device.path not in own]
    if spaces.own_user:
        for path in (*(path for path, _, _ in _DEFAULT_NODES), *(device.path for device in others)):
            mounts.bind_node(path)
        mounts.inner.append(_default_links(_host_has_kcore()))
        return
    mounts.inner.append(_default_nodes() + _default_links(_host_has_kcore()))
    mounts.inner += [_node(device) for device in others]


def _is_bind(options: list[str] | None) -> bool:
    return options is not None and ("bind" in options or "rbind" in options)


@functools.cache
def _host_has_kcore() -> bool:
    return os.path.exists("/proc/kcore")


@functools.cache
def _default_nodes() -> bytes:
    return b"".join(
        encode(Code.NODE, 0o020666, major << 32 | minor, 0, strings=(path,)) for path, major, minor in _DEFAULT_NODES
    )


@functools.cache
def _default_links(kcore: bool) -> bytes:
    links = (*_DEFAULT_LINKS, ("/proc/kcore", "/dev/core")) if kcore else _DEFAULT_LINKS
    return b"".join(encode(Code.SYMLINK, strings=link) for link in links)


def _node(device: Device) -> bytes:
    if device.type not in _DEVICE_TYPES:
        raise InvalidArgument(f"invalid device type {device.type!r} of {device.path}")
    permissions = 0o666 if device.file_mode is None else device.file_mode & 0o7777
    owner = (device.uid or 0) << 32 | (device.gid or 0)
    mode = _DEVICE_TYPES[device.type] | permissions
    return encode(Code.NODE, mode, device.major << 32 | device.minor, owner, strings=(device.path,))


def _console(process: Process, *, bind: bool, later: bool) -> list[bytes]:
    if not process.terminal:
        return []
    rows, columns = (process.console_size.height, process.console_size.width) if process.console_size else (0, 0)
    flags = (CONSOLE_BIND if bind else 0) | (CONSOLE_LATER if later else 0)
    return [encode(Code.CONSOLE, flags, rows, columns)]


@functools.lru_cache(maxsize=64)
def _hidden(readonly: tuple[str, ...], masked: tuple[str, ...]) -> tuple[bytes, ...]:
    return (
        *(encode(Code.READONLY, strings=(path,)) for path in readonly),
        *(encode(Code.MASK, strings=(path,)) for path in masked),
    )


def _root_attributes(spec: Spec) -> list[bytes]:
    """Propagation of the finished root, and read-only as the last of all."""
    records = []
    if wanted := spec.linux.rootfs_propagation:
        word = wanted.removeprefix("r") if wanted not in _PROPAGATION else wanted
        if word not in _PROPAGATION:
            raise InvalidArgument(f"invalid rootfsPropagation: {wanted}")
        if word != "slave":  # what it is anyway
            records.append(encode(Code.ATTRIBUTES, ROOT, 0, 0, _PROPAGATION[word]))
    if spec.root.readonly:
        records.append(encode(Code.ATTRIBUTES, ROOT, RDONLY, 0, 0))
    return records
