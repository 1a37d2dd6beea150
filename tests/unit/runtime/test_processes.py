from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading

import pytest

from estiba.errors import InvalidArgument, SystemFailure
from estiba.runtime.processes import top

needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="procps is not installed")
VOLATILE = {"C", "%CPU", "%MEM", "RSS", "TIME", "ELAPSED", "STAT", "S", "VSZ", "NLWP", "STARTED"}
# ps and we may round to different minutes
MOMENTS = {"STIME", "START"}
MOMENT = r"\d\d:\d\d|[A-Z][a-z]{2}\d\d|\d{4}"


def by_ps(pids: list[int], *arguments: str) -> tuple[list[str], list[list[str]]]:
    text = subprocess.run(
        ["ps", "-ww", *arguments, "-q", ",".join(map(str, pids))], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    titles = text[0].split()
    return titles, [line.split(None, len(titles) - 1) for line in text[1:]]


@pytest.fixture
def pids() -> list[int]:
    return sorted({os.getpid(), os.getppid(), 1})


@needs_ps
@pytest.mark.parametrize(
    "arguments",
    [
        ["-ef"],
        ["-e", "-f"],
        ["-A"],
        ["aux"],
        ["ax"],
        ["-eo", "pid,ppid,user,uid,gid,pgid,sid,tty,ni,comm,stime,bsdstart,args"],
        ["-o", "pid,start,%cpu,%mem,vsz,rss,stat,s,time,etime,nlwp"],
    ],
)
def test_like_ps(arguments: list[str], pids: list[int]) -> None:
    titles, rows = top(pids, " ".join(arguments))
    expected_titles, expected = by_ps(pids, *arguments)
    assert titles == expected_titles
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        for title, value, wanted in zip(titles, row, other, strict=True):
            if title in MOMENTS:
                assert re.fullmatch(MOMENT, value)
            elif title not in VOLATILE:
                assert value.split() == wanted.split(), title


def test_the_default_is_the_full_format(pids: list[int]) -> None:
    titles, rows = top(pids)
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    own = next(row for row in rows if row[1] == str(os.getpid()))
    assert own[2] == str(os.getppid())
    assert sys.executable.rpartition("/")[2][:6] in own[7]


def test_states_and_threads() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        _, rows = top([os.getpid()], "-o pid,stat,nlwp")
    finally:
        stop.set()
        thread.join()
    assert rows[0][1][0] in "RS"
    assert "l" in rows[0][1]
    assert int(rows[0][2]) >= 2


def test_processes_that_have_ended_are_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert top([process.pid])[1] == []
    assert top([])[1] == []


def test_zombies() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    _, rows = top([process.pid], "-o pid,stat,args")
    process.wait()
    assert rows[0][1].startswith("Z")
    assert rows[0][2].endswith("<defunct>")


def test_own_titles(pids: list[int]) -> None:
    titles, rows = top(pids, "-o pid,comm=NAME")
    assert titles == ["PID", "NAME"]
    assert len(rows) == len(pids)


def test_the_pid_is_needed(pids: list[int]) -> None:
    with pytest.raises(SystemFailure, match="Couldn't find PID field in ps output"):
        top(pids, "-o comm")
    with pytest.raises(InvalidArgument, match='specifying "ppid=PID" is not allowed'):
        top(pids, "-o ppid=PID")


@needs_ps
def test_what_is_not_known_is_left_to_ps(pids: list[int]) -> None:
    titles, rows = top(pids, "-o pid,wchan")
    assert titles == ["PID", "WCHAN"]
    assert [int(row[0]) for row in rows] == pids
    titles, rows = top([os.getpid()], "-eF")
    assert "PSR" in titles
    assert len(rows) == 1


@needs_ps
def test_what_ps_refuses(pids: list[int]) -> None:
    with pytest.raises(SystemFailure, match=r"^ps: "):
        top(pids, "-o nosuchcolumn")
