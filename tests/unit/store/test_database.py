from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from estiba.errors import SystemFailure
from estiba.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT"


@pytest.fixture
def database(tmp_path: Path):
    with Database(tmp_path / "a.db") as database:
        database.create(SCHEMA)
        yield database


@pytest.mark.parametrize("durable", [False, True])
def test_a_write_is_seen_by_readers_when_its_block_ends(database: Database, durable: bool) -> None:
    with database.write(durable=durable) as c:
        c.execute("INSERT INTO thing VALUES ('a', 1)")
        with database.read() as r:
            assert r.execute("SELECT * FROM thing").fetchall() == []
    with database.read() as r:
        assert r.execute("SELECT * FROM thing").fetchall() == [("a", 1)]


def test_an_error_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as c:
        c.execute("INSERT INTO thing VALUES ('a', 1)")
        raise ZeroDivisionError
    with database.write() as c:
        assert c.execute("SELECT count(*) FROM thing").fetchone() == (0,)


def test_a_constraint_stays_an_integrity_error(database: Database) -> None:
    with database.write() as c:
        c.execute("INSERT INTO thing VALUES ('a', 1)")
    with pytest.raises(sqlite3.IntegrityError), database.write() as c:
        c.execute("INSERT INTO thing VALUES ('a', 2)")


def test_create_twice_keeps_the_rows(database: Database) -> None:
    with database.write() as c:
        c.execute("INSERT INTO thing VALUES ('a', 1)")
    database.create(SCHEMA)
    with database.read() as c:
        assert c.execute("SELECT count(*) FROM thing").fetchone() == (1,)


def test_nested_writes_are_an_error_and_nested_reads_are_not(database: Database) -> None:
    with database.write():
        with pytest.raises(RuntimeError, match="already open"), database.write(durable=True):
            pass
    with database.read() as outer, database.read() as inner:
        assert outer is inner


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(SystemFailure, match="readonly"), database.read() as c:
        c.execute("INSERT INTO thing VALUES ('a', 1)")


def test_a_read_block_shows_one_state(database: Database) -> None:
    with database.read() as r:
        assert r.execute("SELECT count(*) FROM thing").fetchone() == (0,)
        with database.write() as c:
            c.execute("INSERT INTO thing VALUES ('a', 1)")
        assert r.execute("SELECT count(*) FROM thing").fetchone() == (0,)


def test_many_threads_of_both_kinds(database: Database) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                with database.write(durable=i % 10 == 0) as c:
                    c.execute("INSERT INTO thing VALUES (?, ?)", (f"{number}-{i}", i))
                with database.read() as r:
                    r.execute("SELECT count(*) FROM thing").fetchone()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as r:
        assert r.execute("SELECT count(*) FROM thing").fetchone() == (400,)


def test_the_log_is_folded_into_the_file(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db") as database:
        database.create(SCHEMA)
        for i in range(3000):
            with database.write() as c:
                c.execute("INSERT INTO thing VALUES (?, ?)", (f"{i:01000d}", i))
        database.close()
        assert not (tmp_path / "a.db-wal").exists()
    with Database(tmp_path / "a.db") as again, again.read() as r:
        assert r.execute("SELECT count(*) FROM thing").fetchone() == (3000,)


def test_the_log_stays_bounded(tmp_path: Path) -> None:
    with Database(tmp_path / "a.db") as database:
        database.create(SCHEMA)
        for i in range(6000):
            with database.write() as c:
                c.execute("INSERT OR REPLACE INTO thing VALUES (?, ?)", (f"{i % 100:01000d}", i))
        assert os.stat(tmp_path / "a.db-wal").st_size < 64 << 20


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(SystemFailure, match=r"cannot open the database .*a\.db"):
        Database(tmp_path / "a.db")


def test_committed_rows_survive_kill(tmp_path: Path) -> None:
    script = f"""
import os, sys
from pathlib import Path
from estiba.store.database import Database
database = Database(Path({str(tmp_path / "a.db")!r}))
database.create({SCHEMA!r})
for i in range(100000):
    with database.write() as c:
        c.execute("INSERT INTO thing VALUES (?, ?)", (str(i), i))
    print(i, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = -1
    for line in process.stdout:
        last = int(line)
        if last == 200:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    with Database(tmp_path / "a.db") as database, database.read() as r:
        assert r.execute("SELECT count(*) FROM thing").fetchone()[0] >= last + 1
        assert r.execute("PRAGMA integrity_check").fetchone() == ("ok",)
