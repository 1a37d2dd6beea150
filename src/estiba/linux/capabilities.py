"""Names and numbers of capabilities, the sets of this process (capabilities(7), linux/capability.h)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order of their numbers.
NAMES: Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

_NUMBERS: Final = {name: number for number, name in enumerate(NAMES)}


def number(name: str) -> int:
    """The number of a capability by its full upper-case name; KeyError if there is none of that name."""
    return _NUMBERS[name]


def is_name(name: str) -> bool:
    """Whether this is the full upper-case name of a capability."""
    return name in _NUMBERS


def mask(names: Iterable[str]) -> int:
    """The set as the kernel's 64-bit mask; KeyError for an unknown name."""
    bits = 0
    for name in names:
        bits |= 1 << _NUMBERS[name]
    return bits


def names(bits: int) -> frozenset[str]:
    """The names of a mask's bits; bits without a name are left out."""
    return frozenset(name for number, name in enumerate(NAMES) if bits >> number & 1)


@functools.cache
def last() -> int:
    """The highest number that this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        return int(file.read())


@functools.cache
def bounding() -> frozenset[str]:
    """The bounding set of this process: what a container can be given at most."""
    return _status_sets()["CapBnd"]


@functools.cache
def effective() -> frozenset[str]:
    """The effective set of this process when it was first asked for."""
    return _status_sets()["CapEff"]


def _status_sets() -> dict[str, frozenset[str]]:
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":\t", 1) for line in file if line.startswith("Cap"))
    return {name: names(int(value, 16)) for name, value in fields.items()}
