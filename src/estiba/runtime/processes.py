"""The processes of a container as `docker top` shows them: what ps(1) prints, read from /proc without a ps.

The usual formats (-ef, aux, -o …) are made here, in about 0.1 ms a process; anything else is left to the host's ps.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from estiba.errors import InvalidArgument, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PS_TIMEOUT: Final = 30.0
_LONGEST_ARGUMENTS: Final = 1024
_LONGEST_COMMAND: Final = 1 << 15  # of a process, which may have megabytes


class Top(NamedTuple):
    """A table: titles, and a row for each process."""

    titles: list[str]
    processes: list[list[str]]


def top(pids: Iterable[int], ps_args: str = "") -> Top:
    """Titles and a row for each of the processes that is still there, by process id; ps_args as for ps ("" is -ef).

    Raises InvalidArgument for a format that renames or lacks the PID, SystemFailure where ps is needed and fails.
    """
    if len(ps_args) > _LONGEST_ARGUMENTS or "\0" in ps_args:
        raise InvalidArgument("the arguments for ps are too long, or no text")
    arguments = ps_args.split() or ["-ef"]
    renamed = re.search(r"\s+(\S*)=\s*(PID\S*)", f" {ps_args}")
    if renamed:
        raise InvalidArgument(f'specifying "{renamed[1]}={renamed[2]}" is not allowed')
    wanted = sorted(set(pids))
    columns = _columns(arguments)
    if columns is None:
        return _by_ps(wanted, arguments)
    titles = [title for title, _ in columns]
    if "PID" not in titles:
        raise SystemFailure("Couldn't find PID field in ps output")
    now = _Now.read()
    processes = [process for pid in wanted if (process := _read(pid, now))]
    return Top(titles, [[render(process) for _, render in columns] for process in processes])


@dataclass(frozen=True, slots=True)
class _Now:
    """The moment of the table: wall clock, seconds since boot, memory of the machine in bytes."""

    wall: float
    uptime: float
    memory: int

    @classmethod
    def read(cls) -> _Now:
        uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
        return cls(time.time(), uptime, os.sysconf("SC_PHYS_PAGES") * _PAGE)


@dataclass(frozen=True, slots=True)
class _Process:
    """What /proc says about a process; `stat` is /proc/PID/stat from the state on (field 3 of proc(5) is index 0)."""

    pid: int
    uid: int
    gid: int
    comm: str
    arguments: str
    stat: tuple[str, ...]
    now: _Now

    def number(self, field: int) -> int:
        """A field of proc(5)'s numbering."""
        return int(self.stat[field - 3])

    @property
    def ticks(self) -> int:
        return self.number(14) + self.number(15)

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return max(self.now.uptime - self.number(22) / _TICKS, 0.0)

    @property
    def share(self) -> float:
        """Processor time over its life, in per cent."""
        return self.ticks * 100 / _TICKS / self.elapsed if self.elapsed else 0.0


def _read(pid: int, now: _Now) -> _Process | None:
    """None if the process has ended meanwhile."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            arguments = file.read(_LONGEST_COMMAND) or b""
        owner = os.stat(f"/proc/{pid}")
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = tuple(rest.split())
    ids = dict(re.findall(r"^(Uid|Gid):\t\d+\t(\d+)", status, re.MULTILINE))
    line = _printable(arguments.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace"))
    if fields[0] == "Z":
        line = f"[{name}] <defunct>"
    return _Process(
        pid=pid,
        uid=int(ids.get("Uid", owner.st_uid)),
        gid=int(ids.get("Gid", owner.st_gid)),
        comm=_printable(name),
        arguments=line or f"[{name}]",
        stat=fields,
        now=now,
    )


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


@functools.lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    """The host's name for a uid, shortened to ps's eight characters."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
    return name if len(name) <= 8 else f"{name[:7]}+"


def _terminal(process: _Process) -> str:
    """From the device number of the controlling terminal."""
    device = process.number(7) & 0xFFFFFFFF
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return "?"


def _clock(process: _Process) -> str:
    """[DD-]HH:MM:SS of processor time."""
    seconds = process.ticks // _TICKS
    days, rest = divmod(seconds, 86400)
    return f"{f'{days}-' if days else ''}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def _bsd_clock(process: _Process) -> str:
    seconds = process.ticks // _TICKS
    return f"{seconds // 60}:{seconds % 60:02}"


def _elapsed(process: _Process) -> str:
    """[[DD-]HH:]MM:SS since the start."""
    seconds = int(process.elapsed)
    days, rest = divmod(seconds, 86400)
    hours = f"{rest // 3600:02}:" if seconds >= 3600 else ""
    return f"{f'{days}-' if days else ''}{hours}{rest // 60 % 60:02}:{rest % 60:02}"


def _started(process: _Process) -> str:
    """STIME: the time today, the day this year, else the year."""
    now = time.localtime(process.now.wall)
    start = time.localtime(process.now.wall - process.elapsed)
    if start.tm_year != now.tm_year:
        return time.strftime("%Y", start)
    return time.strftime("%H:%M" if start.tm_yday == now.tm_yday else "%b%d", start)


def _bsd_started(process: _Process) -> str:
    """START: the time within the last day, else the day."""
    start = time.localtime(process.now.wall - process.elapsed)
    return time.strftime("%H:%M" if process.elapsed < 86400 else "%b%d", start)


def _long_started(process: _Process) -> str:
    """STARTED: with seconds within the last day, else the day."""
    start = time.localtime(process.now.wall - process.elapsed)
    return time.strftime("%H:%M:%S" if process.elapsed < 86400 else "%b %d", start)


def _state(process: _Process) -> str:
    """STAT: the state with ps's marks."""
    nice = process.number(19)
    marks = "<" if nice < 0 else "N" if nice > 0 else ""
    marks += "s" if process.number(6) == process.pid else ""
    marks += "l" if process.number(20) > 1 else ""
    marks += "+" if process.number(8) == process.number(5) else ""
    return process.stat[0] + marks


def _memory_share(process: _Process) -> str:
    return f"{process.number(24) * _PAGE * 100 / process.now.memory:.1f}"


# ps's name of a column → its title and what it shows; ps(1), "STANDARD FORMAT SPECIFIERS".
_COLUMNS: Final[dict[str, tuple[str, Callable[[_Process], str]]]] = {
    "pid": ("PID", lambda process: str(process.pid)),
    "ppid": ("PPID", lambda process: process.stat[1]),
    "pgid": ("PGID", lambda process: process.stat[2]),
    "sid": ("SID", lambda process: process.stat[3]),
    "uid": ("UID", lambda process: str(process.uid)),
    "gid": ("GID", lambda process: str(process.gid)),
    "user": ("USER", lambda process: _user(process.uid)),
    "euser": ("EUSER", lambda process: _user(process.uid)),
    "c": ("C", lambda process: str(min(int(process.share), 99))),
    "pcpu": ("%CPU", lambda process: f"{process.share:.1f}" if process.share < 999 else f"{process.share:.0f}"),
    "pmem": ("%MEM", _memory_share),
    "vsz": ("VSZ", lambda process: str(process.number(23) // 1024)),
    "rss": ("RSS", lambda process: str(process.number(24) * _PAGE // 1024)),
    "tname": ("TTY", _terminal),
    "tty": ("TT", _terminal),
    "stat": ("STAT", _state),
    "s": ("S", lambda process: process.stat[0]),
    "ni": ("NI", lambda process: process.stat[16]),
    "pri": ("PRI", lambda process: str(39 - process.number(18))),
    "nlwp": ("NLWP", lambda process: process.stat[17]),
    "stime": ("STIME", _started),
    "bsdstart": ("START", _bsd_started),
    "start": ("STARTED", _long_started),
    "etime": ("ELAPSED", _elapsed),
    "etimes": ("ELAPSED", lambda process: str(int(process.elapsed))),
    "time": ("TIME", _clock),
    "bsdtime": ("TIME", _bsd_clock),
    "cmd": ("CMD", lambda process: process.arguments),
    "args": ("COMMAND", lambda process: process.arguments),
    "comm": ("COMMAND", lambda process: process.comm),
}
_ALIASES: Final = {
    "%cpu": "pcpu",
    "%mem": "pmem",
    "pgrp": "pgid",
    "sess": "sid",
    "session": "sid",
    "euid": "uid",
    "egid": "gid",
    "vsize": "vsz",
    "rssize": "rss",
    "rsz": "rss",
    "tt": "tty",
    "nice": "ni",
    "thcount": "nlwp",
    "cputime": "time",
    "command": "args",
    "ucomm": "comm",
    "ucmd": "comm",
}
_FULL: Final = ("euser=UID", "pid", "ppid", "c", "stime", "tname", "time", "cmd")
_PLAIN: Final = ("pid", "tname", "time", "comm=CMD")
_BSD_PLAIN: Final = ("pid", "tname", "stat", "bsdtime", "args")
_BSD_USER: Final = ("user", "pid", "pcpu", "pmem", "vsz", "rss", "tname", "stat", "bsdstart", "bsdtime", "args")


def _columns(arguments: Sequence[str]) -> list[tuple[str, Callable[[_Process], str]]] | None:
    """The columns for ps's arguments; None for those that are left to ps."""
    full = bsd = user = False
    custom: list[str] = []
    words = iter(arguments)
    for word in words:
        match = re.fullmatch(r"(-?)([eAfauxw]*)(?:o(.*))?", word)
        if not match or word == "-":
            return None
        dash, letters, inline = match.groups()
        if set(letters) & set("aux"):
            bsd = True
        elif not dash:
            return None  # `ps ef` and `ps w` mean other things than `ps -ef`
        full |= "f" in letters
        user |= "u" in letters
        if inline is not None:
            chosen = inline or next(words, "")
            if not chosen:
                return None
            custom += chosen.split(",")
    if bsd and full:
        return None
    names = custom or (_BSD_USER if user else _BSD_PLAIN if bsd else _FULL if full else _PLAIN)
    return _look_up(names)


def _look_up(names: Sequence[str]) -> list[tuple[str, Callable[[_Process], str]]] | None:
    found = []
    for name in names:
        key, renamed, title = name.partition("=")
        key = _ALIASES.get(key.lower(), key.lower())
        if key not in _COLUMNS or (renamed and not title):
            return None
        standard, render = _COLUMNS[key]
        found.append((title or standard, render))
    return found


def _by_ps(pids: Sequence[int], arguments: Sequence[str]) -> Top:
    """What the host's ps prints, without the processes that are not asked for."""
    program = shutil.which("ps")
    if program is None:
        raise SystemFailure(
            f"cannot list processes with ps {' '.join(arguments)}: there is no ps on this machine (install procps); "
            "-ef, aux and -o work without"
        )
    result = _run_ps(program, [*arguments, "-q", ",".join(map(str, pids))])
    if result.returncode != 0:
        # some options don't go together with -q
        result = _run_ps(program, arguments)
    if result.returncode != 0:
        first, _, _ = result.stderr.strip().partition("\n")
        raise SystemFailure(f"ps: {first or f'exit status {result.returncode}'}")
    lines = result.stdout.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise SystemFailure("Couldn't find PID field in ps output")
    place = titles.index("PID")
    wanted = {str(pid) for pid in pids}
    rows = []
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) > place and fields[place] in wanted:
            rows.append(fields)
    return Top(titles, rows)


def _run_ps(program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PS_TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
