from __future__ import annotations

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.linux.bpf import run

from estiba.errors import InvalidArgument
from estiba.linux import seccomp, syscalls
from estiba.linux.seccomp import ALLOW, KILL_PROCESS, Condition, Filter, Rule

EPERM = seccomp.failing(errno.EPERM)
X86 = ("x86_64", "x86", "x32")
ARM = ("aarch64", "arm")
WORDS = (0, 1, 40, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, 1 << 32 | 40, (1 << 64) - 1)
NAMES = ("read", "write", "mmap", "clone", "socket", "ioctl", "keyctl", "getpid", "openat2", "futex")


def holds(rule: Rule, condition: Condition, abi: str, argument: int) -> bool:
    """The meaning of a condition, written down a second time."""
    value, mask = condition.value, condition.mask
    if abi in ("x86", "x32", "arm") or (rule.name in ("socket", "ioctl") and value <= 0xFFFFFFFF):
        argument, value, mask = argument & 0xFFFFFFFF, value & 0xFFFFFFFF, mask & 0xFFFFFFFF
    return {
        "==": argument == value,
        "!=": argument != value,
        "<": argument < value,
        "<=": argument <= value,
        ">": argument > value,
        ">=": argument >= value,
        "&": argument & mask == value,
    }[condition.operator]


def expected(wanted: Filter, abi: str, name: str, arguments: tuple[int, ...]) -> int:
    rules = [rule for rule in wanted.rules if rule.name == name]
    for rule in sorted(rules, key=lambda rule: bool(rule.conditions)):
        if all(holds(rule, condition, abi, arguments[condition.index]) for condition in rule.conditions):
            return rule.action
    return wanted.default


conditions = st.builds(
    Condition,
    index=st.integers(0, 1),
    operator=st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "&"]),
    value=st.sampled_from(WORDS),
    mask=st.sampled_from((0xFF, 0xFFFFFFFF, 0xF_0000_00FF, (1 << 64) - 1)),
)
rules = st.builds(
    Rule,
    name=st.sampled_from(NAMES),
    action=st.sampled_from((ALLOW, EPERM, seccomp.failing(77), seccomp.TRAP)),
    conditions=st.lists(conditions, max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(
    listed=st.lists(rules, max_size=12).map(tuple),
    default=st.sampled_from((ALLOW, EPERM)),
    words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=2).map(tuple),
    abis=st.sampled_from((X86, ARM)),
)
def test_every_call_gets_the_action_that_the_rules_say(
    listed: tuple[Rule, ...], default: int, words: tuple[int, ...], abis: tuple[str, ...]
) -> None:
    wanted = Filter(abis, default, listed)
    program = seccomp.compile_filter(wanted)
    for abi in abis:
        for name in NAMES:
            if name in syscalls.numbers(abi):
                outcome = run(program, abi, syscalls.numbers(abi)[name], words)
                assert outcome.action == expected(wanted, abi, name, words), (abi, name)


def test_numbers_beyond_the_largest_named_one_do_not_exist() -> None:
    wanted = Filter(X86, EPERM, (Rule("read", ALLOW), Rule("openat2", ALLOW)), beyond=seccomp.enosys())
    program = seccomp.compile_filter(wanted)
    assert run(program, "x86_64", 437).action == ALLOW
    assert run(program, "x86_64", 436).action == EPERM
    assert run(program, "x86_64", 438).action == seccomp.enosys()
    assert run(program, "x32", 438).action == seccomp.enosys()
    assert run(program, "x86", 999).action == seccomp.enosys()
    assert run(program, "x86_64", 0xFFFFFFFF).action == seccomp.enosys()


def test_private_calls_of_arm_do_not_hide_new_numbers() -> None:
    wanted = Filter(ARM, EPERM, (Rule("cacheflush", ALLOW), Rule("openat2", ALLOW)), beyond=seccomp.enosys())
    program = seccomp.compile_filter(wanted)
    assert run(program, "arm", 0xF0002).action == ALLOW
    assert run(program, "arm", 0xF0003).action == EPERM
    assert run(program, "arm", 500).action == seccomp.enosys()


def test_other_architectures_are_killed() -> None:
    program = seccomp.compile_filter(Filter(("x86_64",), ALLOW, ()))
    assert run(program, "x86_64", 1).action == ALLOW
    assert run(program, "x86", 1).action == KILL_PROCESS
    assert run(program, "x32", 1).action == KILL_PROCESS
    assert run(program, "aarch64", 1).action == KILL_PROCESS


def test_the_upper_half_of_an_int_argument_does_not_count() -> None:
    program = seccomp.compile_filter(Filter(X86, EPERM, (Rule("socket", ALLOW, (Condition(0, "!=", 40),)),)))
    for word in (40, 1 << 32 | 40, 1 << 40 | 40):
        assert run(program, "x86_64", 41, [word]).action == EPERM
    assert run(program, "x86_64", 41, [2]).action == ALLOW


def test_rules_hold_at_the_multiplexer_too() -> None:
    program = seccomp.compile_filter(Filter(X86, ALLOW, (Rule("socket", EPERM), Rule("shmget", EPERM))))
    table = syscalls.numbers("x86")
    assert run(program, "x86", table["socketcall"], [1]).action == EPERM
    assert run(program, "x86", table["socketcall"], [2]).action == ALLOW
    assert run(program, "x86", table["ipc"], [23]).action == EPERM
    assert run(program, "x86", table["ipc"], [1 << 16 | 23]).action == EPERM
    assert run(program, "x86", table["ipc"], [22]).action == ALLOW


def test_a_filter_that_is_too_long_is_refused() -> None:
    many = tuple(Rule("read", ALLOW, (Condition(0, "==", value),)) for value in range(2000))
    with pytest.raises(InvalidArgument, match="too long"):
        seccomp.compile_filter(Filter(("x86_64",), EPERM, many))


def test_jumps_over_more_than_their_eight_bits() -> None:
    many = tuple(Rule(name, ALLOW, (Condition(0, "==", value),)) for name in ("read", "write") for value in range(90))
    program = seccomp.compile_filter(Filter(("x86_64",), EPERM, many))
    assert run(program, "x86_64", 1, [89]).action == ALLOW
    assert run(program, "x86_64", 1, [90]).action == EPERM
    assert run(program, "x86_64", 2, [1]).action == EPERM


def test_errno_has_to_be_one() -> None:
    with pytest.raises(InvalidArgument):
        seccomp.failing(4096)


def test_the_kernel_knows_the_actions() -> None:
    assert seccomp.kernel_supports(ALLOW)
    assert seccomp.kernel_supports(seccomp.failing(1))
