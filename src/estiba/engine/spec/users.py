"""Users and groups by name or number, looked up in a container's own /etc/passwd and /etc/group.

The files are the image's, hence hostile: opened inside the root, regular files only, read up to a bound. A number is
always an id, never a name; lines that are not whole are skipped, so that none makes a user root by accident.
"""

from __future__ import annotations

import io
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, SystemFailure
from estiba.linux.openat2 import open_in_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES: Final = 4 << 20
MOST_ID: Final = 2147483647
MOST_GROUPS: Final = 65536  # NGROUPS_MAX, <linux/limits.h>
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


class UnknownUser(SystemFailure):
    """There is no such user or group in the container. A start answers 500, the creation of an exec 400."""


@dataclass(frozen=True)
class User:
    """Who a process is: supplementary groups begin with gid; home is "" for an entry whose field is empty."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True)
class _Account:
    """A line of passwd(5). Without a name: an id that no line has."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class _Group:
    """A line of group(5); members as they stand there, separated by commas."""

    name: str
    gid: int
    members: str


def resolve_user(root: int, user: str, group_add: Iterable[str]) -> User:
    """Look up `user[:group]` (names or numbers; "": root) and groups to add below a root directory's descriptor.

    The primary group is the first of the groups (CVE-2022-36109); groups of the group file only count for a user of
    the passwd file whose group was not named.

    Raises UnknownUser, InvalidArgument for an id out of range.
    """
    name, _, group = user.partition(":")
    account = _find_account(_accounts(root), name)
    added = list(group_add)
    wanted = {word for word in (group, *added) if word and _number(word) is None}
    member = "" if group else account.name
    by_name, listed = _scan_groups(root, wanted, member) if wanted or member else ({}, [])
    gid = _group_id(group, by_name) if group else account.gid
    numbers = (gid, *listed, *dict.fromkeys(_group_id(extra, by_name) for extra in added))
    if len(numbers) > MOST_GROUPS:
        raise InvalidArgument(f"user {name or 'root'} is in {len(numbers)} groups, {MOST_GROUPS} are the most")
    home = next((entry.home for entry in _accounts(root) if entry.uid == account.uid), "/")
    return User(uid=account.uid, gid=gid, groups=numbers, home=home)


def _find_account(accounts: Iterable[_Account], name: str) -> _Account:
    number = _number(name) if name else 0
    if number is not None:
        return next((account for account in accounts if account.uid == number), _Account("", number, 0, "/"))
    for account in accounts:
        if account.name == name:
            return account
    raise UnknownUser(f"unable to find user {name}: no matching entries in passwd file")


def _scan_groups(root: int, wanted: set[str], member: str) -> tuple[dict[str, int], list[int]]:
    """The ids of the wanted groups by name, the first of each name, and those of all groups with this member."""
    by_name: dict[str, int] = {}
    listed: list[int] = []
    for group in _groups(root):
        if group.name in wanted:
            by_name.setdefault(group.name, group.gid)
        if member and f",{member}," in f",{group.members},":
            listed.append(group.gid)
    return by_name, listed


def _group_id(name: str, by_name: dict[str, int]) -> int:
    number = _number(name)
    if number is None:
        number = by_name.get(name)
    if number is None:
        raise UnknownUser(f"unable to find group {name}: no matching entries in group file")
    return number


def _number(text: str) -> int | None:
    """The id that a text of digits means, None for a name. An id out of range is never a name (CVE-2026-46680)."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text) if len(text) < 20 else MOST_ID + 1
    if not 0 <= number <= MOST_ID:
        raise InvalidArgument(f"uids and gids must be in range 0-{MOST_ID}")
    return number


def _accounts(root: int) -> Iterator[_Account]:
    for line in _lines(root, "etc/passwd"):
        fields = line.split(":")
        if len(fields) >= 7 and fields[0] and _is_id(fields[2]) and _is_id(fields[3]):
            yield _Account(fields[0], int(fields[2]), int(fields[3]), fields[5])


def _groups(root: int) -> Iterator[_Group]:
    for line in _lines(root, "etc/group"):
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] and _is_id(fields[2]):
            yield _Group(fields[0], int(fields[2]), fields[3] if len(fields) > 3 else "")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= MOST_ID


def _lines(root: int, path: str) -> Iterator[str]:
    """The file's lines; none where it is absent or no regular file. What lies beyond the bound is not there."""
    try:
        found = open_in_root(root, path)
    except OSError:
        return
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return
        # opened anew only now that it is known to be a file: opening a device has effects of its own
        with open(os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = io.BytesIO(file.read(MOST_BYTES))
    except BlockingIOError:
        raise SystemFailure(f"cannot read /{path} of the container: one of its programs holds a lease on it") from None
    except OSError:
        return
    finally:
        os.close(found)
    for line in content:  # one at a time: four million empty ones are no list
        yield line.decode("utf-8", "surrogateescape").strip()
