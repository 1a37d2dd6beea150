"""What the shim reported about a failed start, in the words that Docker's clients know and people can act on."""

from __future__ import annotations

import errno as numbers
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import StartFailed
from estiba.runtime.plan_describe import describe
from estiba.runtime.plan_operations import ATTACH_REAL, Code, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CREATE: Final = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
)
START: Final = f"{CREATE}unable to start container process: error during container init: "
EXEC: Final = "OCI runtime exec failed: exec failed: "
EXEC_START: Final = f"{EXEC}unable to start container process: "

_WRONG_KIND: Final = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)
_IN_PROC: Final = (
    "create mountpoint for {0} mount: check proc-safety of {0} mount: "
    '"{0}" cannot be mounted because it is inside /proc'
)
_NOT_PROC: Final = (
    "create mountpoint for {0} mount: check proc-safety of {0} mount: "
    '"{0}" cannot be mounted because it is not of type proc'
)
_ESCAPED: Final = (
    "current working directory is outside of container mount namespace root -- possible container breakout detected"
)
_OLD_KERNEL: Final = "the kernel lacks a needed facility (Linux 5.12 or newer is needed)"
_KILLED: Final = "signal 9"


@dataclass(frozen=True, slots=True)
class _Case:
    """A failure: the plan, which of its operations, errno and its words (or the kernel's own)."""

    operations: Sequence[Operation]
    index: int
    errno: int
    reason: str

    @property
    def operation(self) -> Operation:
        return self.operations[self.index]

    def source(self) -> str:
        """Where the mount in this operation's slot comes from."""
        for operation in reversed(self.operations[: self.index + 1]):
            if operation.code in (Code.TREE, Code.NEW) and operation.a == self.operation.a:
                if operation.code is Code.NEW:
                    return operation.strings[1] if operation.strings[1] != "none" else operation.strings[0]
                return operation.strings[0] if operation.strings else f"descriptor {operation.c}"
        return ""

    def destination(self) -> str:
        """Where the mount in this operation's slot was to be attached."""
        for operation in self.operations[self.index + 1 :]:
            if operation.code is Code.ATTACH and operation.a == self.operation.a:
                return operation.strings[0]
            if operation.code is Code.ROOT and operation.a == self.operation.a:
                return "/"
        return ""


def refused(text: str, *, is_exec: bool = False) -> StartFailed:
    """A specification that no process is made for."""
    return StartFailed((EXEC if is_exec else CREATE) + text, exit_code=128, status=500)


def refused_in_proc(source: str | None, destination: str) -> StartFailed:
    """A mount below /proc."""
    return _failure(START + _mounting(source or "", destination) + _IN_PROC.format(destination))


def refused_as_proc(source: str | None, destination: str) -> StartFailed:
    """A mount on /proc that is none of procfs."""
    return _failure(START + _mounting(source or "", destination) + _NOT_PROC.format(destination))


def explain(
    operations: Sequence[Operation], index: int, code: int, errno: int, text: str, *, is_exec: bool
) -> StartFailed:
    """The error for operation number `index` of these. An index outside of them means that none is to blame."""
    prefix = EXEC_START if is_exec else START
    if index >= len(operations) or operations[index].code != code:
        return _failure(prefix + _nobodys_fault(errno, text))
    operation = operations[index]
    case = _Case(operations, index, errno, text or _reason(errno))
    wording = _WORDINGS.get(operation.code)
    sentence = wording(case) if wording else f"{describe(operation)}: {case.reason}"
    if errno == numbers.ENOSYS:
        sentence = f"{sentence}: {_OLD_KERNEL}"
    return _failure(prefix + sentence)


def _failure(message: str) -> StartFailed:
    """Exit code and HTTP status follow from the first of these words in the text, as in Docker."""
    lowered = message.lower()
    if "permission denied" in lowered:
        return StartFailed(message, exit_code=126, status=400)
    if "is a directory" in lowered:
        return StartFailed(f"{message}: permission denied", exit_code=126, status=400)
    if "not a directory" in lowered:
        return StartFailed(message + _WRONG_KIND, exit_code=127, status=400)
    if "executable file not found" in lowered or "no such file or directory" in lowered:
        return StartFailed(message, exit_code=127, status=400)
    return StartFailed(message, exit_code=128, status=500)


def _reason(errno: int) -> str:
    words = os.strerror(errno)
    return words[:1].lower() + words[1:]


def _nobodys_fault(errno: int, text: str) -> str:
    if text.endswith(_KILLED):
        return "container init was OOM-killed (memory limit too low?)"
    if errno == numbers.ECHILD or not errno:
        return text or "the process could not be started"
    return f"{text}: {_reason(errno)}" if text else _reason(errno)


def _mounting(source: str, destination: str) -> str:
    return f'error mounting "{source}" to rootfs at "{destination}": '


def _attach(case: _Case) -> str:
    source, destination = case.source(), case.operation.strings[0]
    start = _mounting(source, destination)
    if case.errno == numbers.EXDEV:
        return start + _IN_PROC.format(destination)
    if case.errno == numbers.EBUSY:
        return f"{start}destination can't be '/'"
    if case.operation.b & ATTACH_REAL and case.errno in (numbers.ELOOP, numbers.ENOTDIR):
        return f'{start}filesystem "{source}" must be mounted on ordinary directory'
    return f"{start}mount src={source}, dst={destination}: {case.reason}"


def _take(case: _Case) -> str:
    """A source that could not be opened, made or given its attributes."""
    source, destination = case.source(), case.destination()
    if case.operation.code is Code.TREE:
        return f"{_mounting(source, destination)}open {source}: {case.reason}"
    if case.operation.code is Code.ATTRIBUTES and not destination:
        return f"remounting the root file system: {case.reason}"
    return _mounting(source, destination) + case.reason


def _lookup(case: _Case) -> str:
    name = case.operation.strings[0]
    if case.errno == numbers.ENOENT and "/" not in name:
        return f'exec: "{name}": executable file not found in $PATH'
    if case.errno in (numbers.ENOENT, numbers.ENOTDIR):
        return f'exec: "{name}": stat {name}: {case.reason}'
    return f'exec: "{name}": {case.reason}'


def _cwd(case: _Case) -> str:
    if case.operation.a == 1 and case.errno == numbers.ENOENT:
        return _ESCAPED
    return f'chdir to cwd ("{case.operation.strings[0]}") set in config.json failed: {case.reason}'


def _rlimit(case: _Case) -> str:
    limit = case.operation
    sentence = f"error setting rlimits for ready process: error setting rlimit type {limit.a}: {case.reason}"
    if case.errno == numbers.EPERM:
        sentence += f" (soft {limit.b}, hard {limit.c}: raising a limit beyond the engine's own needs CAP_SYS_RESOURCE)"
    return sentence


def _sysctl(case: _Case) -> str:
    path, value = case.operation.strings
    what = "open" if case.errno in (numbers.ENOENT, numbers.EACCES) else f"write {value!r} to"
    return f"{what} /proc/sys/{path}: {case.reason}"


def _hostname(case: _Case) -> str:
    return f"sethostname: {case.reason}"


def _cgroup(case: _Case) -> str:
    return f"unable to apply cgroup configuration: cannot join the cgroup: {case.reason}"


def _apparmor(case: _Case) -> str:
    where = "write /proc/thread-self/attr/apparmor/exec"
    return f"unable to apply apparmor profile: apparmor failed to apply profile: {where}: {case.reason}"


def _clone(case: _Case) -> str:
    hints = {
        numbers.ENOSPC: " (a limit in /proc/sys/user, max_*_namespaces)",
        numbers.EAGAIN: " (the machine's or a parent cgroup's limit of processes is reached)",
    }
    return f"{describe(case.operation)}: {case.reason}{hints.get(case.errno, '')}"


def _seccomp(case: _Case) -> str:
    return f"error loading seccomp filter: {case.reason}"


_WORDINGS: Final[dict[Code, Callable[[_Case], str]]] = {
    Code.ATTACH: _attach,
    Code.TREE: _take,
    Code.NEW: _take,
    Code.ATTRIBUTES: _take,
    Code.IDMAP: _take,
    Code.LOOKUP: _lookup,
    Code.CWD: _cwd,
    Code.RLIMIT: _rlimit,
    Code.SYSCTL: _sysctl,
    Code.HOSTNAME: _hostname,
    Code.CGROUP: _cgroup,
    Code.SHIM_CGROUP: _cgroup,
    Code.APPARMOR: _apparmor,
    Code.CLONE: _clone,
    Code.SECCOMP: _seccomp,
}
