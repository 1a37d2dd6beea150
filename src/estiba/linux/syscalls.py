"""System call numbers of every ABI that this machine's kernel can be entered by (data/syscalls.json, generated)."""

from __future__ import annotations

import functools
import json
import platform
from pathlib import Path
from typing import Final, cast

# The ABIs behind one kernel: the native one first, then those that the same kernel also serves.
COMPANIONS: Final = {"x86_64": ("x86_64", "x86", "x32"), "aarch64": ("aarch64", "arm")}

# On i386 the socket and System V IPC calls have two doors: their own number and a multiplexer's first argument
# (net/socket.c, ipc/syscall.c). A rule about `socket` has to hold at both.
MULTIPLEXERS: Final[dict[str, dict[str, tuple[str, int]]]] = {
    "x86": {
        "socket": ("socketcall", 1),
        "bind": ("socketcall", 2),
        "connect": ("socketcall", 3),
        "listen": ("socketcall", 4),
        "accept": ("socketcall", 5),
        "getsockname": ("socketcall", 6),
        "getpeername": ("socketcall", 7),
        "socketpair": ("socketcall", 8),
        "send": ("socketcall", 9),
        "recv": ("socketcall", 10),
        "sendto": ("socketcall", 11),
        "recvfrom": ("socketcall", 12),
        "shutdown": ("socketcall", 13),
        "setsockopt": ("socketcall", 14),
        "getsockopt": ("socketcall", 15),
        "sendmsg": ("socketcall", 16),
        "recvmsg": ("socketcall", 17),
        "accept4": ("socketcall", 18),
        "recvmmsg": ("socketcall", 19),
        "sendmmsg": ("socketcall", 20),
        "semop": ("ipc", 1),
        "semget": ("ipc", 2),
        "semctl": ("ipc", 3),
        "semtimedop": ("ipc", 4),
        "msgsnd": ("ipc", 11),
        "msgrcv": ("ipc", 12),
        "msgget": ("ipc", 13),
        "msgctl": ("ipc", 14),
        "shmat": ("ipc", 21),
        "shmdt": ("ipc", 22),
        "shmget": ("ipc", 23),
        "shmctl": ("ipc", 24),
    }
}


@functools.cache
def _tables() -> dict[str, dict[str, int]]:
    path = Path(__file__).with_name("data") / "syscalls.json"
    return cast("dict[str, dict[str, int]]", json.loads(path.read_bytes()))


def numbers(abi: str) -> dict[str, int]:
    """Name → number of one ABI: x86_64, x86, x32 (without bit 30), aarch64 or arm. KeyError for another."""
    return _tables()[abi]


def native_abi() -> str:
    """The ABI of this machine's kernel; an unknown architecture is returned by its uname name."""
    machine = platform.machine()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
