"""Compiled filters in the real kernel: every number of every ABI, with every action turned into an errno."""

from __future__ import annotations

import os
import platform
import signal
import struct
import subprocess
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.linux.bpf import X32_BIT, run

from estiba.linux import capabilities, syscalls
from estiba.linux import seccomp as bpf
from estiba.oci.runtime_spec import Seccomp, SeccompArg, SeccompRule
from estiba.runtime import seccomp

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the probe is written for x86_64")

DEFAULT_CAPS = capabilities.names(0xA80425FB)
ALLOWED = 200  # no errno of the kernel
UNTRIED = 1 << 40
# uretprobe and uprobe: the kernel makes them without asking filters (since 6.14), and kills who has no probe
UNFILTERED = {("x86_64", 335), ("x86_64", 336)}
PROBE = Path(__file__).with_name("native") / "seccomp_probe.c"


class Call(NamedTuple):
    abi: str
    number: int
    arguments: tuple[int, ...] = ()


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "ESTIBA_TEST_PROBES" in os.environ:
        return Path(os.environ["ESTIBA_TEST_PROBES"]) / "seccomp_probe"
    program = tmp_path_factory.mktemp("probe") / "seccomp_probe"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, PROBE], check=True)
    return program


def harmless(program: bytes) -> bytes:
    """The filter with "allow" turned into an errno: nothing that is called under it happens."""
    allow = bpf.Instruction(0x06, 0, 0, bpf.ALLOW)
    instead = bpf.Instruction(0x06, 0, 0, bpf.ERRNO | ALLOWED)
    code = [instead if instruction == allow else instruction for instruction in bpf.decode(program)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def try_calls(probe: Path, directory: Path, program: bytes, calls: list[Call]) -> list[int]:
    """The errno that each call gets in a process under the filter."""
    (directory / "filter").write_bytes(program)
    records = []
    for call in calls:
        six = (*call.arguments, *[0] * (6 - len(call.arguments)))
        number = call.number | X32_BIT if call.abi == "x32" else call.number
        records.append(struct.pack("<II6Qq", call.abi == "x86", number, *six, UNTRIED))
    (directory / "calls").write_bytes(b"".join(records))
    result = subprocess.run([probe, directory / "filter", directory / "calls"], capture_output=True, timeout=60)
    assert result.returncode == -signal.SIGILL, result.stderr.decode()
    results = [record[-1] for record in struct.iter_unpack("<II6Qq", (directory / "calls").read_bytes())]
    assert UNTRIED not in results, f"ended at {calls[results.index(UNTRIED)]}"
    return [-result for result in results]


def _all_numbers(abi: str) -> list[Call]:
    return [Call(abi, number) for number in range(1024) if (abi, number) not in UNFILTERED]


def assert_as_interpreted(probe: Path, directory: Path, program: bytes, calls: list[Call]) -> dict[Call, int]:
    program = harmless(program)
    found = dict(zip(calls, try_calls(probe, directory, program, calls), strict=True))
    for call, error in found.items():
        action = run(program, call.abi, call.number, call.arguments).action
        assert action & 0xFFFF0000 == bpf.ERRNO
        assert error == action & 0xFFFF, call
    return found


@pytest.mark.parametrize("caps", [DEFAULT_CAPS, DEFAULT_CAPS | {"CAP_SYS_ADMIN"}, frozenset(capabilities.NAMES)])
@pytest.mark.parametrize("abi", ["x86_64", "x86", "x32"])
def test_the_default_profile(probe: Path, tmp_path: Path, caps: frozenset[str], abi: str) -> None:
    if abi == "x86" and not _has_i386():
        pytest.skip("this kernel runs no i386 programs")
    program = seccomp.compile_profile(None, caps)
    found = assert_as_interpreted(probe, tmp_path, program, _all_numbers(abi))
    table = syscalls.numbers(abi)
    assert found[Call(abi, table["read"])] == ALLOWED
    assert found[Call(abi, table["keyctl"])] == 1
    assert found[Call(abi, 999)] == 38
    assert found[Call(abi, table["clone3"])] == (ALLOWED if "CAP_SYS_ADMIN" in caps else 38)


def _has_i386() -> bool:
    """abi.vsyscall32 is there with CONFIG_IA32_EMULATION only."""
    return os.path.exists("/proc/sys/abi/vsyscall32")


def test_arguments_as_the_kernel_sees_them(probe: Path, tmp_path: Path) -> None:
    table = syscalls.numbers("x86_64")
    words = (0, 8, 40, 0x20000, 0x10000000, 0xFFFFFFFF, 1 << 32 | 40, 1 << 40 | 40, (1 << 64) - 1)
    names = ("socket", "personality", "clone")
    calls = [Call("x86_64", table[name], (word,)) for name, word in product(names, words)]
    found = assert_as_interpreted(probe, tmp_path, seccomp.compile_profile(None, DEFAULT_CAPS), calls)
    assert found[Call("x86_64", table["socket"], (1 << 40 | 40,))] == 1, "AF_VSOCK behind a high bit"
    assert found[Call("x86_64", table["socket"], (8,))] == ALLOWED


@pytest.mark.parametrize("op", ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"])
def test_every_comparison(probe: Path, tmp_path: Path, op: str) -> None:
    words = (0, 5, 6, 1 << 32, 1 << 32 | 5, 5 << 32, (1 << 64) - 1)
    rules = [
        SeccompRule(
            names=["mkdir"],
            action="SCMP_ACT_ERRNO",
            errno_ret=100 + number,
            args=[
                SeccompArg(index=number % 6, value=value, value_two=5, op=f"SCMP_CMP_{op}"),
                SeccompArg(index=(number + 1) % 6, value=3, op="SCMP_CMP_NE"),
            ],
        )
        for number, value in enumerate(words)
    ]
    program = seccomp.compile_seccomp(Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=rules))
    mkdir = syscalls.numbers("x86_64")["mkdir"]
    calls = [Call("x86_64", mkdir, tuple(words[(start + i) % 7] for i in range(6))) for start in range(7)]
    assert_as_interpreted(probe, tmp_path, program, calls)


def test_the_longest_filter_that_fits(probe: Path, tmp_path: Path) -> None:
    # a leaf per number: 1 + 1 instructions each, in a tree that needs the far jump
    table = sorted(syscalls.numbers("x86_64").items(), key=lambda item: item[1])
    rules = [
        SeccompRule(
            names=[name],
            action="SCMP_ACT_ERRNO",
            errno_ret=1 + number % 150,
            args=[SeccompArg(index=0, value=7, op="SCMP_CMP_NE"), SeccompArg(index=1, value=7, op="SCMP_CMP_NE")],
        )
        for name, number in table[:350]
    ]
    program = seccomp.compile_seccomp(Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=rules))
    assert 3000 < len(bpf.decode(program)) <= bpf.MAX_INSTRUCTIONS
    calls = [call._replace(arguments=(first, 0)) for call in _all_numbers("x86_64") for first in (0, 7)]
    assert_as_interpreted(probe, tmp_path, program, calls)
