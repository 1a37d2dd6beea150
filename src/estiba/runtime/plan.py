"""Compiles an OCI specification to a launch plan: the list of operations that native/plan.c executes.

compile_plan (or compile_exec_plan) → encode() into a memfd → the shim runs it → explain() where it failed.
Nothing here touches the machine but for one look whether the host has /proc/kcore.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported
from estiba.runtime import plan_process, plan_sysctls
from estiba.runtime.plan_describe import describe
from estiba.runtime.plan_devices import add_devices
from estiba.runtime.plan_explain import explain
from estiba.runtime.plan_inputs import Descriptors, LogFile, Stdio
from estiba.runtime.plan_mounts import MountPlan
from estiba.runtime.plan_namespaces import Namespaces, clone_and_join, namespace_flag
from estiba.runtime.plan_operations import (
    CLONE_FLAGS,
    CONSOLE_BIND,
    CONSOLE_LATER,
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

__all__ = ["Descriptors", "LogFile", "Plan", "Stdio", "compile_exec_plan", "compile_plan"]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.errors import StartFailed
    from estiba.oci.runtime_spec import Process, Spec
    from estiba.runtime.cgroup import CgroupMount


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


def compile_plan(
    spec: Spec,
    *,
    stdio: Stdio,
    log: LogFile | None,
    descriptors: Descriptors,
    cgroups: Sequence[CgroupMount] = (),
    keyring: str | None = None,
    overlay_layers: bool = True,
) -> Plan:
    """The plan that starts a container.

    A namespace of the specification with a path must be in descriptors.namespaces. cgroups are the directories that
    /sys/fs/cgroup shows (`Cgroup.mounts()`); keyring is the name of the session keyring that start and exec share;
    overlay_layers says whether the kernel's overlay takes layers one at a time (`Features.overlay_layers`).
    Raises InvalidArgument, Unsupported, and StartFailed for a mount inside /proc.
    """
    plan_process.check(spec.process)
    if spec.linux.mount_label:
        raise Unsupported("SELinux labels are not supported: leave mountLabel out")
    spaces = Namespaces(spec.linux, descriptors)
    mounts = MountPlan(
        user_namespace=spaces.own_user,
        private_cgroups="cgroup" in spaces.made,
        cgroups=cgroups,
        sources=descriptors.sources,
        trees=descriptors.trees,
        idmaps=descriptors.idmaps,
        overlay_layers=overlay_layers,
    )
    mounts.root(spec)
    for mount in spec.mounts[1 if spec.mounts and spec.mounts[0].destination == "/" else 0 :]:
        mounts.add(mount)
    add_devices(spec, mounts, own_user=spaces.own_user)
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
                _hidden(tuple(spec.linux.readonly_paths), tuple(spec.linux.masked_paths)),
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
        flags |= namespace_flag(namespace.type)
    records = _outer(process, stdio, None, descriptors)
    records += clone_and_join(process, descriptors)
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


def _set_up_names(spec: Spec, spaces: Namespaces) -> list[bytes]:
    """The loopback interface, sysctls and names of fresh namespaces: through no file of the container."""
    records = []
    if "network" in spaces.made:
        records.append(encode(Code.LOOPBACK))
    if spec.hostname and "uts" in spaces.made:
        records.append(encode(Code.HOSTNAME, strings=(spec.hostname,)))
    if spec.domainname and "uts" in spaces.made:
        records.append(encode(Code.DOMAINNAME, strings=(spec.domainname,)))
    return records + plan_sysctls.records(spec.linux.sysctl, spaces.made | spaces.joined.keys())


def _console(process: Process, *, bind: bool, later: bool) -> list[bytes]:
    if not process.terminal:
        return []
    rows, columns = (process.console_size.height, process.console_size.width) if process.console_size else (0, 0)
    flags = (CONSOLE_BIND if bind else 0) | (CONSOLE_LATER if later else 0)
    return [encode(Code.CONSOLE, flags, rows, columns)]


@functools.lru_cache(maxsize=64)
def _hidden(readonly: tuple[str, ...], masked: tuple[str, ...]) -> bytes:
    records = [encode(Code.READONLY, strings=(path,)) for path in readonly]
    return b"".join(records + [encode(Code.MASK, strings=(path,)) for path in masked])


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
