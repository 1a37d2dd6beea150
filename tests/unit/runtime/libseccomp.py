"""libseccomp by ctypes, as the oracle: the specification's rules → the BPF program that runc would load."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Seccomp

ARCH = {
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_ARM": 0x40000028,
}
ACTION = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000, "SCMP_ACT_TRAP": 0x00030000}
COMPARE = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}


class ArgCmp(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def available() -> bool:
    return ctypes.util.find_library("seccomp") is not None


def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_release.argtypes = [ctypes.c_void_p]
    lib.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    lib.seccomp_arch_remove.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    lib.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    lib.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(ArgCmp),
    ]
    lib.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return lib


def known(name: str) -> bool:
    """Whether the installed version has the name at all."""
    return bool(_library().seccomp_syscall_resolve_name(name.encode()) != -1)


def compile_seccomp(wanted: Seccomp, native: str = "SCMP_ARCH_X86_64") -> bytes:
    """What libseccomp makes of it, without runc's ENOSYS addition."""
    lib = _library()
    default = ACTION[wanted.default_action] | (wanted.default_errno_ret or 1) * (
        wanted.default_action == "SCMP_ACT_ERRNO"
    )
    context = lib.seccomp_init(default)
    assert context
    try:
        for name in {native, *wanted.architectures}:
            lib.seccomp_arch_add(context, ARCH[name])
        if native != "SCMP_ARCH_X86_64":
            lib.seccomp_arch_remove(context, ARCH["SCMP_ARCH_X86_64"])
        for rule in wanted.syscalls:
            action = ACTION[rule.action]
            if rule.action == "SCMP_ACT_ERRNO":
                action |= 1 if rule.errno_ret is None else rule.errno_ret
            if action == default:
                continue
            args = [ArgCmp(arg.index, COMPARE[arg.op], arg.value, arg.value_two) for arg in rule.args]
            for name in rule.names:
                number = lib.seccomp_syscall_resolve_name(name.encode())
                if number != -1:
                    array = (ArgCmp * max(len(args), 1))(*args)
                    result = lib.seccomp_rule_add_array(context, action, number, len(args), array)
                    assert result == 0, (name, os.strerror(-result))
        return _export(lib, context)
    finally:
        lib.seccomp_release(context)


def _export(lib: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("filter")
    try:
        assert lib.seccomp_export_bpf(context, fd) == 0
        return os.pread(fd, 1 << 20, 0)
    finally:
        os.close(fd)
