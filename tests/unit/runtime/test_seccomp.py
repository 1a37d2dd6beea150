from __future__ import annotations

import errno
import json
from dataclasses import replace
from itertools import product

import pytest
from tests.unit.linux.bpf import run
from tests.unit.runtime import libseccomp

from estiba.errors import InvalidArgument, Unsupported
from estiba.linux import capabilities, syscalls
from estiba.linux import seccomp as bpf
from estiba.oci.runtime_spec import Seccomp, SeccompArg, SeccompRule
from estiba.runtime import seccomp

DEFAULT_CAPS = capabilities.names(0xA80425FB)
KERNEL = (6, 1)
ABIS = ("x86_64", "x86", "x32")
EPERM = bpf.failing(errno.EPERM)
needs_libseccomp = pytest.mark.skipif(not libseccomp.available(), reason="libseccomp.so.2 is not installed")


def default_filter(caps: frozenset[str] = DEFAULT_CAPS, kernel: tuple[int, int] = KERNEL) -> bytes:
    return bpf.compile_filter(seccomp.build_filter(seccomp.resolve(None, caps, "x86_64", kernel), "x86_64"))


def action(program: bytes, name: str, *arguments: int, abi: str = "x86_64") -> int:
    return run(program, abi, syscalls.numbers(abi)[name], arguments).action


def test_rules_and_names_for_a_default_container() -> None:
    resolved = seccomp.resolve(None, DEFAULT_CAPS, "x86_64", KERNEL)
    assert resolved.architectures == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert len(resolved.syscalls) == 13
    assert sum(len(rule.names) for rule in resolved.syscalls) == 375
    assert len(resolved.syscalls[0].names) == 361


@pytest.mark.parametrize(
    ("caps", "rules", "names"),
    [
        (DEFAULT_CAPS | {"CAP_SYS_ADMIN"}, 12, 399),
        (frozenset(capabilities.NAMES), 24, 425),
    ],
)
def test_capabilities_add_names(caps: frozenset[str], rules: int, names: int) -> None:
    resolved = seccomp.resolve(None, caps, "x86_64", KERNEL)
    assert len(resolved.syscalls) == rules
    assert sum(len(rule.names) for rule in resolved.syscalls) == names


REFUSED = (
    "keyctl add_key request_key bpf userfaultfd io_uring_setup open_by_handle_at fsopen open_tree mount_setattr mount "
    "pivot_root perf_event_open syslog iopl quotactl acct clock_settime reboot setns unshare kcmp pidfd_getfd "
    "move_pages mbind vhangup"
)
ALLOWED = (
    "name_to_handle_at landlock_create_ruleset memfd_secret statmount listmount mseal cachestat ptrace "
    "process_vm_readv modify_ldt chroot execve"
)


@pytest.mark.parametrize("name", REFUSED.split())
def test_refused_by_the_default_profile(name: str) -> None:
    assert action(default_filter(), name) == EPERM


@pytest.mark.parametrize("name", ALLOWED.split())
def test_allowed_by_the_default_profile(name: str) -> None:
    assert action(default_filter(), name) == bpf.ALLOW


def test_clone_may_make_no_namespace_and_clone3_does_not_exist() -> None:
    program = default_filter()
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert action(program, "clone", flag) == EPERM
    assert action(program, "clone", 0x003D0F00) == bpf.ALLOW
    assert action(program, "clone3") == bpf.enosys()
    privileged = default_filter(DEFAULT_CAPS | {"CAP_SYS_ADMIN"})
    assert action(privileged, "clone", 0x20000) == bpf.ALLOW
    assert action(privileged, "clone3") == bpf.ALLOW


def test_sockets_and_personalities() -> None:
    program = default_filter()
    assert action(program, "socket", 1) == bpf.ALLOW
    assert action(program, "socket", 40) == EPERM
    assert action(program, "socket", 1 << 40 | 40) == EPERM, "stricter than Docker's: the kernel takes an int"
    for persona in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert action(program, "personality", persona) == bpf.ALLOW
    assert action(program, "personality", 0x40000) == EPERM


def test_numbers_newer_than_the_profile_do_not_exist() -> None:
    program = default_filter()
    for number in (467, 500, 999):
        assert run(program, "x86_64", number).action == bpf.enosys()
    for number in (450, 461):
        assert run(program, "x86_64", number).action == EPERM


def test_old_kernels_have_no_ptrace() -> None:
    assert action(default_filter(kernel=(4, 7)), "ptrace") == EPERM
    assert action(default_filter(kernel=(4, 8)), "ptrace") == bpf.ALLOW


def test_the_default_filter_is_short_and_fast() -> None:
    program = default_filter()
    assert len(bpf.decode(program)) < 800
    steps = [run(program, "x86_64", number).steps for number in range(470)]
    assert sum(steps) / len(steps) < 15


PATTERNS = tuple(product((0, 1, 8, 40, 0x20000, 0x10000000, 0xFFFFFFFF, 1 << 32 | 1, (1 << 64) - 1), (0, 0x7E020000)))


@needs_libseccomp
@pytest.mark.parametrize(
    "caps", [DEFAULT_CAPS, DEFAULT_CAPS | {"CAP_SYS_ADMIN"}, frozenset(capabilities.NAMES), frozenset()]
)
def test_equal_to_libseccomp_for_the_default_profile(caps: frozenset[str]) -> None:
    resolved = seccomp.resolve(None, caps, "x86_64", KERNEL)
    _assert_equal(resolved, ABIS, "x86_64", "SCMP_ARCH_X86_64", 390)


@needs_libseccomp
def test_equal_to_libseccomp_for_the_default_profile_on_arm() -> None:
    resolved = seccomp.resolve(None, DEFAULT_CAPS, "aarch64", KERNEL)
    assert resolved.architectures == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    _assert_equal(resolved, ("aarch64", "arm"), "aarch64", "SCMP_ARCH_AARCH64", 430)


def _assert_equal(resolved: Seccomp, abis: tuple[str, ...], native: str, scmp_native: str, highest: int) -> None:
    ours = bpf.compile_filter(replace(seccomp.build_filter(resolved, native), beyond=None))
    theirs = libseccomp.compile_seccomp(resolved, scmp_native)
    conditional = {name for rule in resolved.syscalls if rule.args for name in rule.names}
    for abi in abis:
        table = syscalls.numbers(abi)
        special = {table[name] for name in conditional if name in table} | {table.get("socketcall"), table.get("ipc")}
        unknown = {number for name, number in table.items() if not libseccomp.known(name)}
        for number in range(highest):
            if number in unknown:
                continue
            for arguments in PATTERNS if number in special else PATTERNS[:1]:
                if number in (table["personality"], table["socket"]):
                    # the one difference on purpose: of an int only the half counts that the kernel takes
                    arguments = tuple(argument & 0xFFFFFFFF for argument in arguments)
                want = run(theirs, abi, number, arguments).action
                assert run(ours, abi, number, arguments).action == want, (abi, number, arguments)


@needs_libseccomp
@pytest.mark.parametrize("default", ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"])
@pytest.mark.parametrize("op", list(libseccomp.COMPARE))
def test_equal_to_libseccomp_for_every_comparison(op: str, default: str) -> None:
    other = {"SCMP_ACT_ALLOW": "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO": "SCMP_ACT_ALLOW"}[default]
    words = (0, 5, 6, 1 << 32, 1 << 32 | 5, 5 << 32, (1 << 64) - 1)
    for value, value_two in product(words, (0, 5, 1 << 32)):
        if op == "SCMP_CMP_MASKED_EQ" and value_two & ~value:
            continue  # can never hold; libseccomp drops the bits outside the mask
        args = [
            SeccompArg(index=1, value=value, value_two=value_two, op=op),
            SeccompArg(index=0, value=3, op="SCMP_CMP_EQ"),
        ]
        wanted = Seccomp(
            default_action=default,
            architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            syscalls=[SeccompRule(names=["write", "socket"], action=other, errno_ret=7, args=args)],
        )
        ours = bpf.compile_filter(replace(seccomp.build_filter(wanted, "x86_64"), beyond=None))
        theirs = libseccomp.compile_seccomp(wanted)
        for abi, first, second in product(("x86_64", "x86"), (3, 4), words):
            number = syscalls.numbers(abi)["write"]
            want = run(theirs, abi, number, (first, second)).action
            assert run(ours, abi, number, (first, second)).action == want, (abi, value, value_two, first, second)


def compile_text(**profile: object) -> bytes:
    return seccomp.compile_profile(json.dumps(profile).encode(), DEFAULT_CAPS)


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (b"", "Decoding seccomp profile failed: "),
        (b"[1]", "Decoding seccomp profile failed: "),
        (b"null", "Decoding seccomp profile failed: "),
        (b"\xff", "Decoding seccomp profile failed: "),
        (b'{"defaultAction":5}', "Decoding seccomp profile failed: "),
        (b"{}", "Decoding seccomp profile failed: there is no defaultAction"),
        (b'{"defaultAction":"SCMP_ACT_FOO"}', "string SCMP_ACT_FOO is not a valid action for seccomp"),
        (b'{"defaultAction":"SCMP_ACT_NOTIFY"}', "SCMP_ACT_NOTIFY cannot be used as default action"),
        (
            b'{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_FOO"]}',
            "string SCMP_ARCH_FOO is not a valid arch for seccomp",
        ),
        (
            b'{"defaultAction":"X","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}',
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either ",
        ),
    ],
)
def test_profiles_that_cannot_be_meant(profile: bytes, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        seccomp.compile_profile(profile, DEFAULT_CAPS)
    assert caught.value.message.startswith(text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            {"name": "a", "names": ["b"], "action": "SCMP_ACT_ERRNO"},
            "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
        ),
        ({"names": ["mkdir"], "action": "SCMP_ACT_FOO"}, "string SCMP_ACT_FOO is not a valid action for seccomp"),
        ({"names": [""], "action": "SCMP_ACT_ERRNO"}, "empty string is not a valid syscall"),
        ({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5000}, "invalid errno 5000"),
        (
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "x"}},
            'Decoding seccomp profile failed: invalid kernel version: "x", expected "<kernel>.<major>"',
        ),
        (
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 7, "value": 1, "op": "SCMP_CMP_EQ"}]},
            "error creating seccomp syscall condition for syscall mkdir: syscalls only have up to 6 arguments (7 ",
        ),
        (
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_X"}]},
            "string SCMP_CMP_X is not a valid operator for seccomp",
        ),
        (
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]},
            "-1 is not a valid value",
        ),
    ],
)
def test_rules_that_cannot_be_meant(rule: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        compile_text(defaultAction="SCMP_ACT_ALLOW", syscalls=[rule])
    assert caught.value.message.startswith(text)


def test_notification_is_refused() -> None:
    with pytest.raises(Unsupported):
        compile_text(defaultAction="SCMP_ACT_ALLOW", syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}])


def test_unknown_names_are_ignored_and_can_be_listed() -> None:
    rules = [{"names": ["nosuch", "mkdir", "socketcall", "recv"], "action": "SCMP_ACT_ERRNO"}]
    profile = json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}).encode()
    assert action(seccomp.compile_profile(profile, DEFAULT_CAPS), "mkdir") == EPERM
    assert seccomp.unknown_names(seccomp.resolve_profile(profile, DEFAULT_CAPS)) == ["nosuch"]


def test_the_first_unconditional_rule_wins_over_all() -> None:
    program = compile_text(
        defaultAction="SCMP_ACT_ALLOW",
        syscalls=[
            {"names": ["mkdir"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
            {"name": "mkdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"name": "mkdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        ],
    )
    assert action(program, "mkdir") == bpf.enosys()


def test_two_conditions_on_one_argument_are_alternatives() -> None:
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (1, 2)]
    program = compile_text(
        defaultAction="SCMP_ACT_ERRNO", syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": args}]
    )
    assert [action(program, "mkdir", value) for value in (0, 1, 2)] == [EPERM, bpf.ALLOW, bpf.ALLOW]


@pytest.mark.parametrize(
    ("default", "beyond"),
    [
        ("SCMP_ACT_ALLOW", bpf.ALLOW),
        ("SCMP_ACT_LOG", bpf.LOG),
        ("SCMP_ACT_TRACE", bpf.TRACE | 1),
        ("SCMP_ACT_ERRNO", bpf.enosys()),
        ("SCMP_ACT_KILL", bpf.enosys()),
        ("SCMP_ACT_KILL_PROCESS", bpf.enosys()),
        ("SCMP_ACT_TRAP", bpf.enosys()),
    ],
)
def test_what_happens_to_unknown_numbers(default: str, beyond: int) -> None:
    program = compile_text(defaultAction=default, syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}])
    assert run(program, "x86_64", 999).action == beyond


def test_without_architectures_only_the_native_one_passes() -> None:
    program = compile_text(defaultAction="SCMP_ACT_ALLOW")
    assert run(program, "x86_64", 1).action == bpf.ALLOW
    assert run(program, "x86", 1).action == bpf.KILL_PROCESS


def test_flags() -> None:
    assert seccomp.filter_flags(seccomp.resolve_profile(None, DEFAULT_CAPS)) == 0
    assert seccomp.filter_flags(Seccomp(default_action="SCMP_ACT_ALLOW", flags=["SECCOMP_FILTER_FLAG_LOG"])) == 2
    with pytest.raises(InvalidArgument, match="seccomp flag FOO is not known"):
        seccomp.filter_flags(Seccomp(default_action="SCMP_ACT_ALLOW", flags=["FOO"]))


def test_both_steps_are_cached() -> None:
    first = seccomp.compile_profile(None, DEFAULT_CAPS)
    assert seccomp.compile_profile(None, frozenset(DEFAULT_CAPS)) is first
    assert seccomp.compile_profile(None, DEFAULT_CAPS - {"CAP_CHOWN"}) is first, "it makes no difference to the rules"
