"""The device filter of cgroup v2: an eBPF program of type CGROUP_DEVICE, assembled, loaded and attached by bpf(2)."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from estiba.linux import syscalls
from estiba.linux.libc import syscall

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROG_LOAD: Final = 5
_PROG_ATTACH: Final = 8
_PROG_DETACH: Final = 9
_PROG_GET_FD_BY_ID: Final = 13
_PROG_QUERY: Final = 16
_TYPE_CGROUP_DEVICE: Final = 15
_ATTACH_CGROUP_DEVICE: Final = 6
_ALLOW_MULTI: Final = 2
_LICENSE: Final = b"Apache-2.0\0"
_MOST_PROGRAMS: Final = 64

# Opcodes of linux/bpf.h: class | size or operation | source.
_LOAD_WORD: Final = 0x61  # LDX | MEM | W
_MOVE_IMMEDIATE: Final = 0xB7  # ALU64 | MOV | K
_MOVE_REGISTER: Final = 0xBF  # ALU64 | MOV | X
_AND_IMMEDIATE: Final = 0x57  # ALU64 | AND | K
_SHIFT_RIGHT: Final = 0x77  # ALU64 | RSH | K
_JUMP_EQUAL: Final = 0x15  # JMP | JEQ | K
_JUMP_UNEQUAL: Final = 0x55  # JMP | JNE | K
_JUMP_UNEQUAL_REGISTER: Final = 0x5D  # JMP | JNE | X
_EXIT: Final = 0x95

_DEVICE_TYPES: Final = {"b": 1, "c": 2}


class DeviceMatch(NamedTuple):
    """One exception: kind b or c, numbers (None: any), access as a sum of 1 mknod, 2 read, 4 write."""

    kind: str
    major: int | None
    minor: int | None
    access: int


class Instruction(NamedTuple):
    """One struct bpf_insn."""

    code: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    immediate: int = 0


def device_program(allow: bool, exceptions: Sequence[DeviceMatch]) -> bytes:
    """The program for "everything (or nothing) but …".

    The context is `struct bpf_cgroup_dev_ctx {u32 access_type; u32 major; u32 minor;}` with the type in the low and
    the access in the high half of access_type; returning 1 allows.
    """
    code = [
        Instruction(_LOAD_WORD, 2, 1, 0),
        Instruction(_MOVE_REGISTER, 3, 2),
        Instruction(_SHIFT_RIGHT, 3, immediate=16),
        Instruction(_AND_IMMEDIATE, 2, immediate=0xFFFF),
        Instruction(_LOAD_WORD, 4, 1, 4),
        Instruction(_LOAD_WORD, 5, 1, 8),
    ]
    for exception in exceptions:
        code += _exception(exception, allow)
    code += [Instruction(_MOVE_IMMEDIATE, 0, immediate=int(allow)), Instruction(_EXIT)]
    return b"".join(struct.pack("<BBhi", i.code, i.src << 4 | i.dst, i.offset, i.immediate) for i in code)


def _exception(match: DeviceMatch, allow: bool) -> list[Instruction]:
    """Returns the opposite of the default if everything matches, else runs into what follows.

    An exception from "nothing" must cover all that is wanted; one from "everything" refuses if it touches any of it.
    """
    tests = [Instruction(_JUMP_UNEQUAL, 2, immediate=_DEVICE_TYPES[match.kind])]
    if match.access != 7:
        tests += [Instruction(_MOVE_REGISTER, 6, 3), Instruction(_AND_IMMEDIATE, 6, immediate=match.access)]
        tests.append(Instruction(_JUMP_EQUAL, 6) if allow else Instruction(_JUMP_UNEQUAL_REGISTER, 6, 3))
    if match.major is not None:
        tests.append(Instruction(_JUMP_UNEQUAL, 4, immediate=match.major))
    if match.minor is not None:
        tests.append(Instruction(_JUMP_UNEQUAL, 5, immediate=match.minor))
    code = [*tests, Instruction(_MOVE_IMMEDIATE, 0, immediate=int(not allow)), Instruction(_EXIT)]
    jumps = (_JUMP_EQUAL, _JUMP_UNEQUAL, _JUMP_UNEQUAL_REGISTER)
    return [
        instruction._replace(offset=len(code) - place - 1) if instruction.code in jumps else instruction
        for place, instruction in enumerate(code)
    ]


def attach_device_program(cgroup: int, program: bytes) -> None:
    """Make `program` the only device filter of a cgroup, given by a descriptor of its directory.

    A new program is attached before the old ones go, so at no instant is more allowed than one of them allows.
    Raises OSError.
    """
    old = _attached(cgroup)
    new = _load(program)
    try:
        _bpf(_PROG_ATTACH, struct.pack("<IIII", cgroup, new, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI))
    finally:
        os.close(new)
    for identity in old:
        fd = _bpf(_PROG_GET_FD_BY_ID, struct.pack("<III", identity, 0, 0))
        try:
            _bpf(_PROG_DETACH, struct.pack("<III", cgroup, fd, _ATTACH_CGROUP_DEVICE))
        finally:
            os.close(fd)


def attached_device_programs(cgroup: int) -> int:
    """How many device filters a cgroup has of its own."""
    return len(_attached(cgroup))


def _load(program: bytes) -> int:
    instructions = ctypes.create_string_buffer(program, len(program))
    license_text = ctypes.create_string_buffer(_LICENSE)
    attributes = struct.pack(
        "<IIQQ",
        _TYPE_CGROUP_DEVICE,
        len(program) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(license_text),
    )
    return _bpf(_PROG_LOAD, attributes)


def _attached(cgroup: int) -> list[int]:
    identities = (ctypes.c_uint32 * _MOST_PROGRAMS)()
    attributes = struct.pack(
        "<IIIIQII", cgroup, _ATTACH_CGROUP_DEVICE, 0, 0, ctypes.addressof(identities), _MOST_PROGRAMS, 0
    )
    buffer = ctypes.create_string_buffer(attributes, 128)
    _call(_PROG_QUERY, buffer)
    (count,) = struct.unpack_from("<I", buffer, 24)
    return list(identities[:count])


def _bpf(command: int, attributes: bytes) -> int:
    """bpf(2) with the attributes zero-padded as far as the kernels that know these commands read them."""
    return _call(command, ctypes.create_string_buffer(attributes, 128))


def _call(command: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    number = syscalls.numbers(syscalls.native_abi())["bpf"]
    return syscall(number, command, ctypes.addressof(buffer), ctypes.sizeof(buffer), path=f"bpf({command})")
