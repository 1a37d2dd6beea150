"""A classic BPF interpreter for seccomp programs: what the kernel does with a filter, in Python."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

AUDIT = {"x86_64": 0xC000003E, "x86": 0x40000003, "x32": 0xC000003E, "aarch64": 0xC00000B7, "arm": 0x40000028}
X32_BIT = 0x40000000


class Outcome(NamedTuple):
    """The SECCOMP_RET value and the number of instructions it took."""

    action: int
    steps: int


def run(program: bytes, abi: str, number: int, arguments: Sequence[int] = ()) -> Outcome:
    """Interpret `program` for one system call; x32 numbers are given without bit 30."""
    nr = number | X32_BIT if abi == "x32" else number
    six = [argument & (1 << 64) - 1 for argument in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", nr & 0xFFFFFFFF, AUDIT[abi], 0, *six)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator = position = steps = 0
    while True:
        operation, jt, jf, k = code[position]
        position += 1
        steps += 1
        if operation == 0x06:
            return Outcome(k, steps)
        if operation == 0x20:
            assert k % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x54:
            accumulator &= k
        elif operation == 0x05:
            position += k
        else:
            position += jt if _compare(operation, accumulator, k) else jf


def _compare(operation: int, accumulator: int, k: int) -> bool:
    if operation == 0x15:
        return accumulator == k
    if operation == 0x25:
        return accumulator > k
    if operation == 0x35:
        return accumulator >= k
    if operation == 0x45:
        return accumulator & k != 0
    raise AssertionError(f"unknown instruction {operation:#x}")
