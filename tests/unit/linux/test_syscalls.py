from __future__ import annotations

import re
from pathlib import Path

import pytest

from estiba.linux import syscalls

HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "x86": "/usr/include/x86_64-linux-gnu/asm/unistd_32.h",
    "x32": "/usr/include/x86_64-linux-gnu/asm/unistd_x32.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
# Names that the generic header has only for 32-bit architectures, or under another name.
ONLY_32_BIT = re.compile(r"_time64$|64$|^_llseek$|^mmap2$|^sync_file_range2$|^arch_specific_syscall$|^syscalls$")


@pytest.mark.parametrize("abi", HEADERS)
def test_numbers_are_those_of_the_kernel_headers(abi: str) -> None:
    header = Path(HEADERS[abi])
    if not header.exists():
        pytest.skip(f"{header} is not installed (linux-libc-dev)")
    table = syscalls.numbers(abi)
    found = re.findall(r"#define __NR_(\w+)\s+\(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?", header.read_text())
    assert len(found) > 250
    for name, number in found:
        if abi == "aarch64" and ONLY_32_BIT.search(name):
            continue
        assert table.get(name, int(number)) == int(number), name
    missing = {name for name, _ in found} - set(table)
    assert not {name for name in missing if not ONLY_32_BIT.search(name)} or abi == "aarch64", missing


def test_no_number_has_two_names_that_differ_in_meaning() -> None:
    for abi in ("x86_64", "x32", "aarch64"):
        table = syscalls.numbers(abi)
        assert len(set(table.values())) == len(table)


def test_multiplexers_exist() -> None:
    table = syscalls.numbers("x86")
    assert {door for door, _ in syscalls.MULTIPLEXERS["x86"].values()} <= set(table)
