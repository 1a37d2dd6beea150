"""Compiles rules about system calls to the classic BPF program that seccomp(2) takes. No policy.

A filter first looks at the architecture of the call, then finds the action by binary search over runs of numbers with
equal outcome: about a dozen instructions per call, whatever the profile's length. Layout of the data that it reads:
`struct seccomp_data {int nr; u32 arch; u64 instruction_pointer; u64 args[6];}`, little-endian.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from estiba.errors import InvalidArgument
from estiba.linux import syscalls
from estiba.linux.libc import syscall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# SECCOMP_RET_* of linux/seccomp.h; the low 16 bits carry the errno or the tracer's message.
KILL_PROCESS: Final = 0x80000000
KILL_THREAD: Final = 0x00000000
TRAP: Final = 0x00030000
ERRNO: Final = 0x00050000
NOTIFY: Final = 0x7FC00000
TRACE: Final = 0x7FF00000
LOG: Final = 0x7FFC0000
ALLOW: Final = 0x7FFF0000

MAX_INSTRUCTIONS: Final = 4096  # BPF_MAXINSNS
_X32_BIT: Final = 0x40000000
_ARM_PRIVATE: Final = 0xF0000

# AUDIT_ARCH_* of linux/audit.h
_AUDIT: Final = {
    "x86_64": 0xC000003E,
    "x86": 0x40000003,
    "x32": 0xC000003E,
    "aarch64": 0xC00000B7,
    "arm": 0x40000028,
}
_NARROW: Final = frozenset({"x86", "x32", "arm"})

# Arguments that the kernel takes as 32-bit integers: their upper half never reaches it, so comparing 64 bits would let
# socket((1 << 40) | AF_VSOCK) pass a rule about AF_VSOCK.
_INT_ARGUMENTS: Final = frozenset(
    {("socket", index) for index in range(3)}
    | {("socketpair", index) for index in range(3)}
    | {("ioctl", 0), ("ioctl", 1), ("fcntl", 0), ("fcntl", 1), ("prctl", 0), ("personality", 0), ("setns", 1)}
)

_LD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JA: Final = 0x05
_JEQ: Final = 0x15
_JGT: Final = 0x25
_JGE: Final = 0x35
_RET: Final = 0x06


class Instruction(NamedTuple):
    """One struct sock_filter."""

    code: int
    jt: int
    jf: int
    k: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of argument `index` (0 to 5), unsigned.

    Attributes:
        operator: one of == != < <= > >= or & for (argument & mask) == value.
        mask: only for &.
    """

    index: int
    operator: str
    value: int
    mask: int = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rule:
    """System call `name` gets `action` (a SECCOMP_RET value) if every condition holds."""

    name: str
    action: int
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """A complete filter.

    Attributes:
        abis: ABI names of `linux.syscalls`; calls by any other kill the process.
        default: action of calls that no rule is about.
        beyond: action of numbers above the largest one that a rule names, or None for the default: ENOSYS there lets
            a newer C library fall back where an older profile cannot know the call.
        rules: several about one call are alternatives; the first that matches counts, one without conditions before
            all others. Names that an ABI does not have are ignored.
    """

    abis: tuple[str, ...]
    default: int
    rules: tuple[Rule, ...]
    beyond: int | None = None


def failing(error: int) -> int:
    """The action that makes a call fail with this errno; raises InvalidArgument beyond the kernel's MAX_ERRNO."""
    if not 0 <= error <= 4095:
        raise InvalidArgument(f"invalid errno {error} in a seccomp rule: it has to be between 0 and 4095")
    return ERRNO | error


def enosys() -> int:
    """The action of a system call that does not exist."""
    return ERRNO | errno.ENOSYS


def compile_filter(wanted: Filter) -> bytes:
    """The program as an array of struct sock_filter.

    Raises InvalidArgument when it would not fit into the kernel's 4,096 instructions.
    """
    program: list[Instruction] = [Instruction(_LD, 0, 0, 4)]
    for abi in (abi for abi in wanted.abis if abi != "x32"):
        block = _architecture(wanted, abi)
        program += [Instruction(_JEQ, 1, 0, _AUDIT[abi]), Instruction(_JA, 0, 0, len(block)), *block]
    program.append(Instruction(_RET, 0, 0, KILL_PROCESS))
    if len(program) > MAX_INSTRUCTIONS:
        raise InvalidArgument(
            f"the seccomp profile is too long: {len(program)} instructions, the kernel takes {MAX_INSTRUCTIONS}"
        )
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def decode(program: bytes) -> list[Instruction]:
    """The instructions of a compiled filter."""
    return [Instruction(*fields) for fields in struct.iter_unpack("<HBBI", program)]


def _architecture(wanted: Filter, abi: str) -> list[Instruction]:
    """Everything for calls of one AUDIT_ARCH: loads the number, for x86_64 also parts x32 from it."""
    native = _search(_runs(wanted, abi))
    if abi != "x86_64":
        return [Instruction(_LD, 0, 0, 0), *native]
    if "x32" in wanted.abis:
        other = [Instruction(_AND, 0, 0, ~_X32_BIT & 0xFFFFFFFF), *_search(_runs(wanted, "x32"))]
    else:
        other = [Instruction(_RET, 0, 0, KILL_PROCESS)]
    # -1 is what a tracer writes to skip a call; it is no x32 call although it has bit 30 set
    return [
        Instruction(_LD, 0, 0, 0),
        Instruction(_JGE, 0, 2, _X32_BIT),
        Instruction(_JEQ, 1, 0, 0xFFFFFFFF),
        Instruction(_JA, 0, 0, len(native)),
        *native,
        *other,
    ]


def _runs(wanted: Filter, abi: str) -> list[tuple[int, list[Instruction]]]:
    """First number and outcome of each run of equal outcome, ascending from 0."""
    table = syscalls.numbers(abi)
    by_number = _rules_by_number(wanted.rules, abi, table)
    default = [Instruction(_RET, 0, 0, wanted.default)]
    runs: list[tuple[int, list[Instruction]]] = [(0, default)]

    def start(number: int, outcome: list[Instruction]) -> None:
        if runs[-1][0] == number:
            runs.pop()
        if not runs or runs[-1][1] != outcome:
            runs.append((number, outcome))

    for number in sorted(by_number):
        start(number, _outcome(by_number[number], wanted.default, abi))
        start(number + 1, default)
    if wanted.beyond is not None:
        named = [number for number in _named_numbers(wanted.rules, table) if number < _ARM_PRIVATE]
        _insert_beyond(runs, max(named, default=-1) + 1, [Instruction(_RET, 0, 0, wanted.beyond)])
    return runs


def _insert_beyond(runs: list[tuple[int, list[Instruction]]], first: int, outcome: list[Instruction]) -> None:
    """Replace the default from `first` on, up to ARM's private numbers where rules name some."""
    private = [run for run in runs if run[0] >= _ARM_PRIVATE]
    kept = [run for run in runs if run[0] < first]
    runs[:] = [*kept, (first, outcome), *private]


def _named_numbers(rules: Iterable[Rule], table: dict[str, int]) -> list[int]:
    return [table[rule.name] for rule in rules if rule.name in table]


def _rules_by_number(rules: Sequence[Rule], abi: str, table: dict[str, int]) -> dict[int, list[Rule]]:
    multiplexed = syscalls.MULTIPLEXERS.get(abi, {})
    found: dict[int, list[Rule]] = {}
    for rule in rules:
        if rule.name in table:
            found.setdefault(table[rule.name], []).append(rule)
        if rule.name in multiplexed and not rule.conditions:
            door, call = multiplexed[rule.name]
            # the kernel of `ipc` looks at the low 16 bits only
            mask = 0xFFFF if door == "ipc" else 0xFFFFFFFF
            found.setdefault(table[door], []).append(Rule(door, rule.action, (Condition(0, "&", call, mask),)))
    return found


def _outcome(rules: Sequence[Rule], default: int, abi: str) -> list[Instruction]:
    """Code for one number, ending in a return on every path."""
    for rule in rules:
        if not rule.conditions:
            return [Instruction(_RET, 0, 0, rule.action)]
    code: list[Instruction] = []
    for rule in rules:
        code += _alternative(rule, abi)
    return [*code, Instruction(_RET, 0, 0, default)]


def _alternative(rule: Rule, abi: str) -> list[Instruction]:
    """One rule: returns its action, or runs into what follows."""
    code: list[Instruction] = [Instruction(_RET, 0, 0, rule.action)]
    for condition in reversed(rule.conditions):
        integer = (rule.name, condition.index) in _INT_ARGUMENTS and condition.value <= 0xFFFFFFFF
        narrow = abi in _NARROW or integer
        code = [*_condition(condition, narrow, len(code)), *code]
    return code


def _condition(condition: Condition, narrow: bool, rest: int) -> list[Instruction]:
    """Falls through to the next instruction when it holds, else jumps over `rest` further ones."""
    low = 16 + 8 * condition.index
    value_low, value_high = condition.value & 0xFFFFFFFF, condition.value >> 32 & 0xFFFFFFFF
    mask_low, mask_high = condition.mask & 0xFFFFFFFF, condition.mask >> 32 & 0xFFFFFFFF
    load_low = [Instruction(_LD, 0, 0, low)]
    load_high = [Instruction(_LD, 0, 0, low + 4)]
    if condition.operator == "&":
        load_low.append(Instruction(_AND, 0, 0, mask_low))
        load_high.append(Instruction(_AND, 0, 0, mask_high))
    last, inverted = _LAST_WORD[condition.operator]
    tail = [*load_low, Instruction(last, rest, 0, value_low) if inverted else Instruction(last, 0, rest, value_low)]
    if narrow:
        return tail
    after = len(tail)
    if condition.operator in ("==", "&"):
        return [*load_high, Instruction(_JEQ, 0, after + rest, value_high), *tail]
    if condition.operator == "!=":
        return [*load_high, Instruction(_JEQ, 0, after, value_high), *tail]
    if condition.operator in (">", ">="):
        return [
            *load_high,
            Instruction(_JGT, after + 1, 0, value_high),
            Instruction(_JEQ, 0, after + rest, value_high),
            *tail,
        ]
    return [
        *load_high,
        Instruction(_JGT, after + 1 + rest, 0, value_high),
        Instruction(_JEQ, 0, after, value_high),
        *tail,
    ]


# operator → comparison of the last word, and whether the condition holds when that comparison does not
_LAST_WORD: Final = {
    "==": (_JEQ, False),
    "&": (_JEQ, False),
    "!=": (_JEQ, True),
    ">": (_JGT, False),
    ">=": (_JGE, False),
    "<": (_JGE, True),
    "<=": (_JGT, True),
}


def _search(runs: Sequence[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Binary search over the runs; the number is in the accumulator."""
    if len(runs) == 1:
        return list(runs[0][1])
    middle = len(runs) // 2
    below, above = _search(runs[:middle]), _search(runs[middle:])
    if len(below) <= 255:
        return [Instruction(_JGE, len(below), 0, runs[middle][0]), *below, *above]
    # a jump's distance has 8 bits; only the unconditional one reaches further
    return [Instruction(_JGE, 0, 1, runs[middle][0]), Instruction(_JA, 0, 0, len(below)), *below, *above]


def kernel_supports(action: int) -> bool:
    """Whether this kernel's seccomp knows the action (SECCOMP_GET_ACTION_AVAIL, 4.14)."""
    value = struct.pack("<I", action & 0xFFFF0000)
    try:
        syscall(syscalls.numbers(syscalls.native_abi())["seccomp"], 2, 0, value)
    except OSError:
        return False
    return True
