"""The process itself as plan records: limits, identity, rights, filter, program. The same for a start and an exec."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported
from estiba.linux import capabilities
from estiba.runtime.plan_explain import refused
from estiba.runtime.plan_operations import NONE, Code, encode
from estiba.runtime.seccomp import compile_seccomp, filter_flags

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Capabilities, Process, Seccomp

# <asm-generic/resource.h>
RLIMITS: Final = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}
_SYS_ADMIN: Final = 1 << capabilities.number("CAP_SYS_ADMIN")
_UMASK: Final = 0o022
_CLOSE: Final = encode(Code.CLOSE)


def limits(process: Process) -> list[bytes]:
    """Resource limits and umask. StartFailed for an unknown limit."""
    records = [encode(Code.RLIMIT, rlimit_number(limit.type), limit.soft, limit.hard) for limit in process.rlimits]
    umask = process.user.umask
    records.append(encode(Code.UMASK, _UMASK if umask is None else umask))
    return records


def rlimit_number(name: str) -> int:
    """RLIMIT_NOFILE is 7; StartFailed, in runc's words, for an unknown name."""
    if name not in RLIMITS:
        raise refused(f"wrong rlimit value: {name}")
    return RLIMITS[name]


def finish(process: Process, seccomp: Seccomp | None, *, late: bytes) -> list[bytes]:
    """From the working directory to execve. `late` is an OP_CLONE for a process that becomes visible last, or b"".

    Without no_new_privs the filter needs CAP_SYS_ADMIN, so it is loaded last but for dropping that; the rest of the
    final rights are already in place when the program is looked up, as the user.
    """
    user = process.user
    cwd = process.cwd or "/"
    records = []
    if process.apparmor_profile not in (None, "", "unconfined"):
        records.append(encode(Code.APPARMOR, strings=(process.apparmor_profile,)))
    if process.no_new_privileges:
        records.append(encode(Code.NO_NEW_PRIVS))
    # Closed before any name that the image or the user chose is used: /proc/self/fd/N leads nowhere.
    records += [_CLOSE, encode(Code.STDIO_OWNER, user.uid), encode(Code.CWD, 0, strings=(cwd,))]
    rights = _rights(process.capabilities)
    records.append(encode(Code.BOUNDING, rights.bounding))
    records.append(_identity(user.uid, user.gid, tuple(user.additional_gids)))
    keep = _SYS_ADMIN if seccomp is not None and not process.no_new_privileges else 0
    records.append(rights.record(permitted=keep))
    records.append(encode(Code.CWD, 1, strings=(cwd,)))
    records.append(encode(Code.LOOKUP, strings=(process.args[0], _search_path(process.env))))
    if seccomp is None:
        records.append(late)
    elif process.no_new_privileges:
        records += [late, _filter(seccomp)]
    else:
        records += [rights.record(permitted=keep, effective=keep), _filter(seccomp), rights.record(), late]
    records.append(encode(Code.EXEC, len(process.args), strings=(*process.args, *process.env)))
    return records


def check(process: Process, *, is_exec: bool = False) -> None:
    """Refuse what no process can have: InvalidArgument without a command, StartFailed for a relative directory.

    Unsupported for an SELinux label: nothing would set it.
    """
    if not process.args:
        raise InvalidArgument("no command specified")
    if process.cwd and not process.cwd.startswith("/"):
        raise refused("Cwd must be an absolute path", is_exec=is_exec)
    if process.selinux_label:
        raise Unsupported("SELinux labels are not supported: leave selinuxLabel out")


class _Rights:
    """The five capability sets as masks."""

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted")

    def __init__(self, sets: Capabilities | None) -> None:
        self.bounding = _mask(tuple(sets.bounding)) if sets else 0
        self.effective = _mask(tuple(sets.effective)) if sets else 0
        self.permitted = _mask(tuple(sets.permitted)) if sets else 0
        self.inheritable = _mask(tuple(sets.inheritable)) if sets else 0
        self.ambient = _mask(tuple(sets.ambient)) if sets else 0

    def record(self, *, permitted: int = 0, effective: int = 0) -> bytes:
        """OP_CAPABILITIES with more than the final sets for a moment."""
        return encode(
            Code.CAPABILITIES,
            self.effective | effective,
            self.permitted | permitted,
            self.inheritable,
            self.ambient,
        )


def _rights(sets: Capabilities | None) -> _Rights:
    return _Rights(sets)


@functools.lru_cache(maxsize=256)
def _mask(names: tuple[str, ...]) -> int:
    for name in names:
        if not capabilities.is_name(name):
            raise InvalidArgument(f'unknown capability: "{name}"')
    return capabilities.mask(names)


@functools.lru_cache(maxsize=256)
def _identity(uid: int, gid: int, groups: tuple[int, ...]) -> bytes:
    blob = b"".join(group.to_bytes(4, "little") for group in groups)
    return encode(Code.IDENTITY, uid, gid, blob=blob)


# Specifications of one engine share few filters, most of them one: found again by identity, without encoding it.
_filters: dict[int, tuple[Seccomp, bytes]] = {}
_MOST_FILTERS: Final = 64


def _filter(seccomp: Seccomp) -> bytes:
    known = _filters.get(id(seccomp))
    if known is not None and known[0] is seccomp:
        return known[1]
    record = encode(Code.SECCOMP, filter_flags(seccomp), blob=compile_seccomp(seccomp))
    if len(_filters) >= _MOST_FILTERS:
        _filters.clear()
    _filters[id(seccomp)] = (seccomp, record)
    return record


def _search_path(env: list[str]) -> str:
    """PATH as the program sees it; of several the last one counts."""
    for variable in reversed(env):
        if variable.startswith("PATH="):
            return variable[5:]
    return ""


def oom_score(value: int) -> bytes:
    """OP_OOM_SCORE; negative values are two's complement."""
    return encode(Code.OOM_SCORE, value & NONE)
