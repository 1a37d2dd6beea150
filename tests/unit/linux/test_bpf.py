from __future__ import annotations

import struct

import pytest

from estiba.linux.bpf import DeviceMatch, device_program


def run(program: bytes, kind: str, access: int, major: int, minor: int) -> int:
    """Interpret the few eBPF instructions that device programs are made of."""
    code = list(struct.iter_unpack("<BBhi", program))
    context = struct.pack("<III", {"b": 1, "c": 2}[kind] | access << 16, major, minor)
    registers = [0] * 11
    position = 0
    while True:
        operation, both, offset, immediate = code[position]
        dst, src = both & 15, both >> 4
        position += 1
        match operation:
            case 0x61:
                assert src == 1
                (registers[dst],) = struct.unpack_from("<I", context, offset)
            case 0xB7:
                registers[dst] = immediate
            case 0xBF:
                registers[dst] = registers[src]
            case 0x57:
                registers[dst] &= immediate
            case 0x77:
                registers[dst] >>= immediate
            case 0x15:
                position += offset if registers[dst] == immediate else 0
            case 0x55:
                position += offset if registers[dst] != immediate else 0
            case 0x5D:
                position += offset if registers[dst] != registers[src] else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


MKNOD, READ, WRITE = 1, 2, 4


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("c", READ | WRITE, 1, 3), 1),
        (("c", MKNOD, 1, 3), 1),
        (("c", READ, 136, 77), 1),
        (("c", MKNOD, 99, 99), 1),
        (("c", READ, 99, 99), 0),
        (("c", MKNOD | READ, 99, 99), 0),
        (("b", READ, 1, 3), 0),
        (("b", READ, 8, 0), 1),
        (("b", READ | WRITE, 8, 0), 0),
    ],
)
def test_nothing_but(asked: tuple[str, int, int, int], allowed: int) -> None:
    exceptions = [
        DeviceMatch("c", None, None, MKNOD),
        DeviceMatch("c", 1, 3, 7),
        DeviceMatch("c", 136, None, 7),
        DeviceMatch("b", 8, 0, READ),
    ]
    assert run(device_program(False, exceptions), *asked) == allowed


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("c", READ, 1, 5), 1),
        (("c", WRITE, 1, 5), 0),
        (("c", READ | WRITE, 1, 5), 0),
        (("c", WRITE, 1, 6), 1),
        (("b", WRITE, 1, 5), 1),
    ],
)
def test_everything_but(asked: tuple[str, int, int, int], allowed: int) -> None:
    assert run(device_program(True, [DeviceMatch("c", 1, 5, WRITE)]), *asked) == allowed


def test_no_exceptions() -> None:
    assert run(device_program(False, []), "c", READ, 1, 3) == 0
    assert run(device_program(True, []), "c", READ, 1, 3) == 1
