"""Users of a container: Docker's rules, and lines that must not make anybody root."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from estiba.engine.spec.users import MOST_BYTES, UnknownUser, User, resolve_user
from estiba.errors import EstibaError, InvalidArgument, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWD = """root:x:0:0:root:/root:/bin/sh

# a comment is a line like any other
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:An App:/home/app:/bin/sh
alias:x:1000:5:the same id:/home/alias:/bin/sh
homeless:x:1001:1001:::/bin/sh
toor:x:0:0:second root:/toor:/bin/sh
badline
word:x:notanumber:5::/:
short:x:0:0
negative:x:-1:0::/:/bin/sh
huge:x:4294967296:0::/:/bin/sh
4294967296:x:0:0:named like a number:/:/bin/sh
77:x:0:0:named like a number:/:/bin/sh
"""
GROUP = """root:x:0:
wheel:x:10:root,app
users:x:100:app,daemon
app:x:1000:
nomembers:x:33
again:x:100:app
bad:x:x:app
5:x:0:
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("user", "added", "expected"),
    [
        ("", [], User(0, 0, (0, 10), "/root")),
        ("root", [], User(0, 0, (0, 10), "/root")),
        ("0", [], User(0, 0, (0, 10), "/root")),
        ("toor", [], User(0, 0, (0,), "/root")),
        ("app", [], User(1000, 1000, (1000, 10, 100, 100), "/home/app")),
        ("1000", [], User(1000, 1000, (1000, 10, 100, 100), "/home/app")),
        ("+1000", [], User(1000, 1000, (1000, 10, 100, 100), "/home/app")),
        ("alias", [], User(1000, 5, (5,), "/home/app")),
        ("1000:", [], User(1000, 1000, (1000, 10, 100, 100), "/home/app")),
        ("1000:0", [], User(1000, 0, (0,), "/home/app")),
        ("app:users", [], User(1000, 100, (100,), "/home/app")),
        (":1000", [], User(0, 1000, (1000,), "/root")),
        (":users", [], User(0, 100, (100,), "/root")),
        ("4242", [], User(4242, 0, (0,), "/")),
        ("4242:4343", [], User(4242, 4343, (4343,), "/")),
        ("homeless", [], User(1001, 1001, (1001,), "")),
        ("77", [], User(77, 0, (0,), "/")),
        ("app:nomembers", [], User(1000, 33, (33,), "/home/app")),
        ("2147483647", [], User(2147483647, 0, (0,), "/")),
        ("app", ["users", "77", "wheel", "77"], User(1000, 1000, (1000, 10, 100, 100, 100, 77, 10), "/home/app")),
        ("4242", ["5"], User(4242, 0, (0, 5), "/")),
    ],
)
def test_users_and_their_groups(root: int, user: str, added: list[str], expected: User) -> None:
    assert resolve_user(root, user, added) == expected


@pytest.mark.parametrize(
    ("user", "added", "message"),
    [
        ("nosuch", [], "unable to find user nosuch: no matching entries in passwd file"),
        ("nosuch:app", [], "unable to find user nosuch: no matching entries in passwd file"),
        ("app:nosuch", [], "unable to find group nosuch: no matching entries in group file"),
        (":x", [], "unable to find group x: no matching entries in group file"),
        ("1000:1000:1000", [], "unable to find group 1000:1000: no matching entries in group file"),
        ("app", ["nosuch"], "unable to find group nosuch: no matching entries in group file"),
        ("app:bad", [], "unable to find group bad: no matching entries in group file"),
        # in Docker these are root
        ("badline", [], "unable to find user badline: no matching entries in passwd file"),
        ("word", [], "unable to find user word: no matching entries in passwd file"),
        ("short", [], "unable to find user short: no matching entries in passwd file"),
        ("negative", [], "unable to find user negative: no matching entries in passwd file"),
        ("huge", [], "unable to find user huge: no matching entries in passwd file"),
        ("0x0", [], "unable to find user 0x0: no matching entries in passwd file"),
        ("٣", [], "unable to find user ٣: no matching entries in passwd file"),
    ],
)
def test_what_is_not_there(root: int, user: str, added: list[str], message: str) -> None:
    with pytest.raises(UnknownUser) as caught:
        resolve_user(root, user, added)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["2147483648", "4294967296", "-1", "99999999999999999999", "-99999999999999999999"])
def test_a_number_out_of_range_is_no_name(root: int, text: str) -> None:
    for user, added in ((text, []), (f"app:{text}", []), ("app", [text])):
        with pytest.raises(InvalidArgument, match=r"^uids and gids must be in range 0-2147483647$"):
            resolve_user(root, user, added)


def test_without_files_numbers_work(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        assert resolve_user(descriptor, "", []) == User(0, 0, (0,), "/")
        assert resolve_user(descriptor, "5:6", ["7"]) == User(5, 6, (6, 7), "/")
        with pytest.raises(UnknownUser):
            resolve_user(descriptor, "root", [])
    finally:
        os.close(descriptor)


def test_links_stay_inside(root: int, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside-passwd"
    outside.write_text("evil:x:0:0::/evil:/bin/sh\n")
    (tmp_path / "etc/passwd").unlink()
    (tmp_path / "etc/passwd").symlink_to(outside)
    with pytest.raises(UnknownUser):
        resolve_user(root, "evil", [])
    (tmp_path / "inside").write_text(PASSWD)
    (tmp_path / "etc/passwd").unlink()
    (tmp_path / "etc/passwd").symlink_to("/inside")
    assert resolve_user(root, "app", []).uid == 1000


@pytest.mark.parametrize("what", ["fifo", "directory", "magic"])
def test_only_regular_files_are_read(root: int, tmp_path: Path, what: str) -> None:
    passwd = tmp_path / "etc/passwd"
    passwd.unlink()
    if what == "fifo":
        os.mkfifo(passwd)
    elif what == "directory":
        passwd.mkdir()
    else:
        passwd.symlink_to("/proc/self/fd/0")
    with pytest.raises(EstibaError):
        resolve_user(root, "app", [])


def test_reading_is_bounded(root: int, tmp_path: Path) -> None:
    with (tmp_path / "etc/passwd").open("ab") as file:
        file.truncate(2 << 30)
    assert resolve_user(root, "app", []).uid == 1000
    with (tmp_path / "etc/group").open("a") as file:
        file.write("many:x:8:" + "x," * 100_000 + "app\n")
    assert 8 in resolve_user(root, "app", []).groups
    with (tmp_path / "etc/group").open("w") as file:
        file.write("".join(f"g{number}:x:{number}:app\n" for number in range(70_000)))
    assert (tmp_path / "etc/group").stat().st_size < MOST_BYTES
    with pytest.raises(InvalidArgument, match="groups"):
        resolve_user(root, "app", [])


def test_a_lease_on_the_file_stops_nobody(root: int, tmp_path: Path) -> None:
    """fcntl(2), F_SETLEASE: opening waits until its holder lets go, up to 45 seconds."""
    file = os.open(tmp_path / "etc/passwd", os.O_RDWR | os.O_CLOEXEC)
    ignored = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        began = time.monotonic()
        with pytest.raises(SystemFailure, match="holds a lease"):
            resolve_user(root, "app", [])
        assert time.monotonic() - began < 5
    finally:
        os.close(file)
        signal.signal(signal.SIGIO, ignored)
