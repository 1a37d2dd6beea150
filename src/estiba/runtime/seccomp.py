"""From a seccomp profile to a filter program: Docker's profile format → the specification's form → BPF bytes.

A profile is resolved for one container: its rules may depend on the capabilities in the bounding set, on the
architecture and on the kernel. Both steps are cached by content; a start with known values costs a look-up.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from estiba.errors import InvalidArgument, Unsupported
from estiba.linux import seccomp as bpf
from estiba.linux import syscalls
from estiba.oci.runtime_spec import Seccomp, SeccompArg, SeccompRule

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULT_PROFILE: Final = Path(__file__).with_name("data") / "seccomp-default.json"

# Go's names of architectures, which conditions in profiles use.
_GO_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_ABIS: Final = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
}
# Valid in profiles, never behind a kernel that this runtime runs on.
_FOREIGN_ARCHITECTURES: Final = frozenset(
    {"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X"}
    | {"SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE"}
    | {"SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64"}
    | {"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"}
)
_ACTIONS: Final = {
    "SCMP_ACT_ALLOW": bpf.ALLOW,
    "SCMP_ACT_ERRNO": bpf.ERRNO,
    "SCMP_ACT_KILL": bpf.KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": bpf.KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": bpf.KILL_PROCESS,
    "SCMP_ACT_TRAP": bpf.TRAP,
    "SCMP_ACT_TRACE": bpf.TRACE,
    "SCMP_ACT_LOG": bpf.LOG,
}
_OPERATORS: Final = {
    "SCMP_CMP_NE": "!=",
    "SCMP_CMP_LT": "<",
    "SCMP_CMP_LE": "<=",
    "SCMP_CMP_EQ": "==",
    "SCMP_CMP_GE": ">=",
    "SCMP_CMP_GT": ">",
    "SCMP_CMP_MASKED_EQ": "&",
}
# SECCOMP_FILTER_FLAG_* of linux/seccomp.h
_FLAGS: Final = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}
_EPERM: Final = 1


class _Conditions(msgspec.Struct, rename="camel", frozen=True):
    """The includes or excludes of a rule."""

    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str | None = None


class _Argument(msgspec.Struct, rename="camel", frozen=True):
    index: int
    value: int
    op: str
    value_two: int = 0


class _ProfileRule(msgspec.Struct, rename="camel", frozen=True):
    name: str = ""
    names: list[str] | None = None
    action: str = ""
    errno_ret: int | None = None
    args: list[_Argument] | None = None
    includes: _Conditions | None = None
    excludes: _Conditions | None = None


class _Architecture(msgspec.Struct, rename="camel", frozen=True):
    architecture: str
    sub_architectures: list[str] | None = None


class _Profile(msgspec.Struct, rename="camel", frozen=True):
    default_action: str = ""
    default_errno_ret: int | None = None
    architectures: list[str] | None = None
    arch_map: list[_Architecture] | None = None
    flags: list[str] | None = None
    syscalls: list[_ProfileRule] | None = None


def compile_profile(profile: bytes | None, caps: frozenset[str]) -> bytes:
    """The filter of a profile in Docker's JSON format (None: the default profile) as an array of struct sock_filter.

    `caps` are the names in the container's bounding set. Raises InvalidArgument with Docker's texts for a profile that
    can't be meant.
    """
    return compile_seccomp(resolve_profile(profile, caps))


@functools.lru_cache(maxsize=64)
def resolve_profile(profile: bytes | None, caps: frozenset[str]) -> Seccomp:
    """What a profile means for a container with these capabilities on this machine."""
    return resolve(profile, caps, syscalls.native_abi(), _kernel(os.uname().release))


def resolve(profile: bytes | None, caps: frozenset[str], abi: str, kernel: tuple[int, int]) -> Seccomp:
    """The same for a machine of the given native ABI and kernel version."""
    parsed = _decode(_DEFAULT_PROFILE.read_bytes() if profile is None else profile)
    if parsed.architectures and parsed.arch_map:
        raise InvalidArgument(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or "
            "'archMap'"
        )
    where = _Machine(caps, _GO_ARCHITECTURES.get(abi, abi), kernel)
    rules = [kept for rule in parsed.syscalls or () if (kept := _keep(rule, where))]
    return Seccomp(
        default_action=parsed.default_action,
        default_errno_ret=parsed.default_errno_ret,
        architectures=_architectures(parsed, abi),
        flags=parsed.flags or [],
        syscalls=rules,
    )


class _Machine(msgspec.Struct, frozen=True):
    """What conditions of rules are about."""

    caps: frozenset[str]
    architecture: str
    kernel: tuple[int, int]


def _decode(profile: bytes) -> _Profile:
    try:
        parsed = msgspec.json.decode(profile, type=_Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from None
    if not parsed.default_action:
        raise InvalidArgument(
            "Decoding seccomp profile failed: there is no defaultAction; to run without a filter say seccomp=unconfined"
        )
    return parsed


def _architectures(profile: _Profile, abi: str) -> list[str]:
    if profile.architectures:
        return profile.architectures
    for entry in profile.arch_map or ():
        if _ABIS.get(entry.architecture) == abi:
            return [entry.architecture, *(entry.sub_architectures or ())]
    return []


def _keep(rule: _ProfileRule, where: _Machine) -> SeccompRule | None:
    """The rule without its conditions, or None where they do not hold."""
    if rule.name and rule.names:
        raise InvalidArgument(
            "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'"
        )
    if rule.excludes and _excluded(rule.excludes, where):
        return None
    if rule.includes and not _included(rule.includes, where):
        return None
    return SeccompRule(
        names=[rule.name] if rule.name else rule.names or [],
        action=rule.action,
        errno_ret=rule.errno_ret,
        args=[
            SeccompArg(index=arg.index, value=arg.value, op=arg.op, value_two=arg.value_two) for arg in rule.args or ()
        ],
    )


def _excluded(conditions: _Conditions, where: _Machine) -> bool:
    return (
        where.architecture in (conditions.arches or ())
        or not where.caps.isdisjoint(conditions.caps or ())
        or (conditions.min_kernel is not None and where.kernel >= _minimum(conditions.min_kernel))
    )


def _included(conditions: _Conditions, where: _Machine) -> bool:
    return (
        (not conditions.arches or where.architecture in conditions.arches)
        and where.caps.issuperset(conditions.caps or ())
        and (conditions.min_kernel is None or where.kernel >= _minimum(conditions.min_kernel))
    )


def _kernel(release: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _minimum(version: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", version)
    if not match or match[1] == "0":
        raise InvalidArgument(
            f'Decoding seccomp profile failed: invalid kernel version: "{version}", expected "<kernel>.<major>"'
        )
    return int(match[1]), int(match[2])


def compile_seccomp(seccomp: Seccomp) -> bytes:
    """The filter of the specification's `linux.seccomp` object as an array of struct sock_filter.

    Raises InvalidArgument for unknown words and impossible values, Unsupported for notification.
    """
    return _compile_encoded(msgspec.json.encode(seccomp))


@functools.lru_cache(maxsize=64)
def _compile_encoded(encoded: bytes) -> bytes:
    return bpf.compile_filter(build_filter(msgspec.json.decode(encoded, type=Seccomp), syscalls.native_abi()))


def filter_flags(seccomp: Seccomp) -> int:
    """The flags argument of seccomp(SET_MODE_FILTER); Docker's default is none."""
    bits = 0
    for flag in seccomp.flags:
        if flag not in _FLAGS:
            raise InvalidArgument(f"seccomp flag {flag} is not known to the runtime")
        bits |= _FLAGS[flag]
    return bits


def build_filter(seccomp: Seccomp, native: str) -> bpf.Filter:
    """The compiler's input for a kernel whose native ABI this is (one of `syscalls.COMPANIONS`)."""
    if native not in syscalls.COMPANIONS:
        raise Unsupported(f"cannot make a seccomp filter for the architecture {native}: use seccomp=unconfined")
    if seccomp.default_action == "SCMP_ACT_NOTIFY":
        raise InvalidArgument("SCMP_ACT_NOTIFY cannot be used as default action")
    default = _action(seccomp.default_action, seccomp.default_errno_ret)
    rules: list[bpf.Rule] = []
    for rule in seccomp.syscalls:
        action = _action(rule.action, rule.errno_ret)
        if action != default:
            rules += _rules(rule, action)
    return bpf.Filter(
        abis=_filter_abis(seccomp.architectures, native),
        default=default,
        rules=tuple(rules),
        beyond=_beyond(default),
    )


def unknown_names(seccomp: Seccomp) -> list[str]:
    """System call names in it that this program's tables do not have for any ABI of this machine: they are ignored."""
    known: set[str] = set()
    for abi in syscalls.COMPANIONS.get(syscalls.native_abi(), ()):
        known.update(syscalls.numbers(abi), syscalls.MULTIPLEXERS.get(abi, ()))
    return sorted({name for rule in seccomp.syscalls for name in rule.names} - known)


def _action(name: str, error: int | None) -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise Unsupported("seccomp notification (SCMP_ACT_NOTIFY) is not supported: remove it from the profile")
    if name not in _ACTIONS:
        raise InvalidArgument(f"string {name} is not a valid action for seccomp")
    action = _ACTIONS[name]
    if action == bpf.ERRNO:
        return bpf.failing(_EPERM if error is None else error)
    if action == bpf.TRACE:
        return action | ((_EPERM if error is None else error) & 0xFFFF)
    return action


def _filter_abis(architectures: Iterable[str], native: str) -> tuple[str, ...]:
    """The native ABI and those companions that are asked for; the native one is always there."""
    wanted = {native}
    for name in architectures:
        if name in _ABIS:
            wanted.add(_ABIS[name])
        elif name not in _FOREIGN_ARCHITECTURES:
            raise InvalidArgument(f"string {name} is not a valid arch for seccomp")
    return tuple(abi for abi in syscalls.COMPANIONS[native] if abi in wanted)


def _beyond(default: int) -> int | None:
    """ENOSYS for numbers that the profile's author can't have known, where the default would not let them through."""
    passes = default & 0xFFFF0000 in (bpf.TRACE, bpf.LOG & 0xFFFF0000, bpf.ALLOW & 0xFFFF0000)
    return None if passes or default == bpf.enosys() else bpf.enosys()


def _rules(rule: SeccompRule, action: int) -> list[bpf.Rule]:
    """One compiler rule per name; conditions on one argument twice are alternatives, as in runc and libseccomp."""
    found: list[bpf.Rule] = []
    for name in rule.names:
        if not name:
            raise InvalidArgument("empty string is not a valid syscall")
        conditions = tuple(_condition(arg, name) for arg in rule.args)
        if len({condition.index for condition in conditions}) < len(conditions):
            found += [bpf.Rule(name, action, (condition,)) for condition in conditions]
        else:
            found.append(bpf.Rule(name, action, conditions))
    return found


def _condition(arg: SeccompArg, name: str) -> bpf.Condition:
    if arg.op not in _OPERATORS:
        raise InvalidArgument(f"string {arg.op} is not a valid operator for seccomp")
    if not 0 <= arg.index <= 5:
        raise InvalidArgument(
            f"error creating seccomp syscall condition for syscall {name}: syscalls only have up to 6 arguments "
            f"({arg.index} given)"
        )
    for value in (arg.value, arg.value_two):
        if not 0 <= value < 1 << 64:
            raise InvalidArgument(f"{value} is not a valid value for an argument of syscall {name}")
    if arg.op == "SCMP_CMP_MASKED_EQ":
        return bpf.Condition(arg.index, "&", arg.value_two, arg.value)
    return bpf.Condition(arg.index, _OPERATORS[arg.op], arg.value)
