"""Device nodes of the host for containers, and the rules of the device filter."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, SystemFailure
from estiba.oci.runtime_spec import Device, DeviceCgroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Below /dev, these belong to the container itself and are never taken from the host.
_OWN: Final = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"})
_RULE: Final = re.compile(r"([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})")
_ACCESS_BITS: Final = {"m": 1, "r": 2, "w": 4}

DENY_ALL: Final = DeviceCgroup(allow=False)
ALLOW_ALL: Final = DeviceCgroup(allow=True)


def _allow(kind: str, major: int | None, minor: int | None, access: str = "rwm") -> DeviceCgroup:
    return DeviceCgroup(allow=True, type=kind, major=major, minor=minor, access=access)


# What every container may use: any node can be made; null, zero, full, random, urandom, tty, console, ptmx, the
# pseudo-terminals and tun can be opened.
DEFAULT_RULES: Final = (
    DENY_ALL,
    _allow("b", None, None, "m"),
    _allow("c", None, None, "m"),
    _allow("c", 1, 3),
    _allow("c", 1, 5),
    _allow("c", 1, 7),
    _allow("c", 1, 8),
    _allow("c", 1, 9),
    _allow("c", 5, 0),
    _allow("c", 5, 1),
    _allow("c", 5, 2),
    _allow("c", 136, None),
    _allow("c", 10, 200),
)


def parse_rule(text: str) -> DeviceCgroup:
    """A `--device-cgroup-rule`: `c 1:3 rwm`, `b 8:* r`, `a *:* rwm`. Raises InvalidArgument with Docker's text."""
    match = _RULE.fullmatch(text)
    if not match:
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = match.groups()
    return _allow(kind, _number(major), _number(minor), access)


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)


def is_access(text: str) -> bool:
    """Whether the third part of `--device` names rights: some of r, w, m, each once."""
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def resolve(host_path: str, container_path: str, access: str = "rwm") -> list[tuple[Device, DeviceCgroup]]:
    """The nodes that one `--device` brings, each with its rule.

    Links are followed on the host; a directory brings every node below it at the same place below `container_path`.
    Raises SystemFailure with Docker's text if there is no device.
    """
    try:
        found = list(_nodes(os.path.realpath(host_path), container_path))
    except OSError as error:
        raise _not_found(host_path, (error.strerror or "").lower()) from None
    if not found:
        raise _not_found(host_path, "not a device node")
    return [(device, _allow(device.type, device.major, device.minor, access)) for device in found]


def _not_found(path: str, reason: str) -> SystemFailure:
    return SystemFailure(f'error gathering device information while adding custom device "{path}": {reason}')


def host_devices(root: str = "/dev") -> list[Device]:
    """Every device node of the host, for --privileged, at its own path, mode, and owner."""
    try:
        return list(_nodes(root, root))
    except OSError as error:
        raise SystemFailure(f"cannot list the devices of the host: {root}: {error.strerror}") from None


def _nodes(host: str, container: str) -> Iterator[Device]:
    """The node at `host`, or those below it; what vanishes meanwhile is left out, as are links."""
    status = os.stat(host, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        device = _device(container, status)
        if device is not None:
            yield device
        return
    with os.scandir(host) as entries:
        names = sorted(entry.name for entry in entries if not entry.is_symlink())
    for name in names:
        if name not in _OWN:
            try:
                yield from _nodes(f"{host}/{name}", f"{container}/{name}")
            except FileNotFoundError:
                continue


def _device(path: str, status: os.stat_result) -> Device | None:
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        return None
    return Device(
        path=path,
        type=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        file_mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One exception of a policy: kind is b or c; None is any number; access is a sum of 1 mknod, 2 read, 4 write."""

    kind: str
    major: int | None
    minor: int | None
    access: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What a list of rules comes to: everything is allowed (or refused) but for the exceptions."""

    allow: bool
    exceptions: tuple[Entry, ...]


def policy(rules: Iterable[DeviceCgroup]) -> Policy:
    """Apply the rules one after the other; without rules nothing is refused.

    Raises InvalidArgument for a rule that would take something out of a wider one before it: neither the devices
    controller nor our program could say it.
    """
    allow = True
    exceptions: dict[tuple[str, int | None, int | None], int] = {}
    for rule in rules:
        if rule.type == "a" and rule.major is None and rule.minor is None and set(rule.access) >= set("rwm"):
            allow = rule.allow
            exceptions.clear()
            continue
        for kind in ("b", "c") if rule.type == "a" else (rule.type,):
            _except(exceptions, rule, kind, adds=rule.allow != allow)
    return Policy(allow, tuple(Entry(*key, access) for key, access in exceptions.items() if access))


def _except(
    exceptions: dict[tuple[str, int | None, int | None], int], rule: DeviceCgroup, kind: str, *, adds: bool
) -> None:
    key = (kind, rule.major, rule.minor)
    bits = 0
    for letter in rule.access:
        bits |= _ACCESS_BITS[letter]
    if adds:
        exceptions[key] = exceptions.get(key, 0) | bits
        return
    for other, access in exceptions.items():
        if other != key and access & bits and _covers(other, key):
            raise InvalidArgument(
                f"the device rule {kind} {_star(rule.major)}:{_star(rule.minor)} {rule.access} contradicts the wider "
                f"rule for {other[0]} {_star(other[1])}:{_star(other[2])}: put the wider one first or leave one out"
            )
    for other in list(exceptions):
        if _covers(key, other):
            exceptions[other] &= ~bits


def _covers(wide: tuple[str, int | None, int | None], narrow: tuple[str, int | None, int | None]) -> bool:
    return wide[0] == narrow[0] and all(wide[place] is None or wide[place] == narrow[place] for place in (1, 2))


def _star(number: int | None) -> str:
    return "*" if number is None else str(number)


def lines(entries: Iterable[Entry]) -> list[str]:
    """The exceptions as the v1 devices controller reads them: `c 1:3 rwm`."""
    return [
        f"{entry.kind} {_star(entry.major)}:{_star(entry.minor)} {access_letters(entry.access)}" for entry in entries
    ]


def access_letters(bits: int) -> str:
    """The letters of an access sum, in the kernel's order."""
    return "".join(letter for letter in "rwm" if bits & _ACCESS_BITS[letter])
