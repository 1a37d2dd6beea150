"""The engine's records: one SQLite file in WAL mode, written by two connections that differ in durability.

A NORMAL write survives the process's death, but a power cut may take the last ones; it costs no fsync. A FULL write
(`durable=True`) is on disk, with everything written before it, when the block ends. Readers have a connection of
their own and never wait for a writer. https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous

The write-ahead log is folded into the file by one owned thread, away from the writers' path.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from estiba.errors import SystemFailure, Unavailable
from estiba.store.space import no_space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.errors import EstibaError

# Room in the log that is taken beforehand: on a full disk objects can still be ended and removed, which makes space.
_RESERVED_BYTES = 4 << 20
_CHECKPOINT_EVERY = 128  # commits, which fill half of that
_BUSY_SECONDS = 30.0
# A container's record fits on a page.
_PAGE_BYTES = 8192


class Database:
    """A database file, made when it is missing, usable from every thread until close().

    Raises (everywhere): Unavailable when the disk is full, SystemFailure when the file cannot be used. Constraint
    violations stay sqlite3.IntegrityError: only the caller knows what they mean.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.Lock()
        self._writing_thread = 0
        self._read_lock = threading.RLock()
        self._commits = 0
        with self._translated("open the database"):
            self._normal = _connect(path, "NORMAL")
            self._full = _connect(path, "FULL")
            self._reader = _connect(path, "NORMAL")
            self._reader.execute("PRAGMA query_only=ON")
            os.chmod(path, 0o600)
            _reserve(path)
        self._checkpointer = _Checkpointer(path, self._write_lock)

    def create(self, schema: str) -> None:
        """Run statements of the form CREATE … IF NOT EXISTS, durably and as a whole."""
        with self._write_lock, self._translated("prepare the database"):
            try:
                self._full.executescript(f"BEGIN IMMEDIATE;\n{schema}\n;COMMIT;")
            except BaseException:
                _rollback(self._full)
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that shows one consistent state for the whole block. Rows are tuples; it cannot write."""
        with self._read_lock, self._translated("read the database"):
            if self._reader.in_transaction:  # nested in this thread: the outer block's state
                yield self._reader
                return
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                _rollback(self._reader)

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Blocks are never nested.

        durable: on disk when the block ends, whatever happens to the machine afterwards.
        """
        if self._writing_thread == threading.get_ident():
            raise RuntimeError("a transaction is already open in this thread: pass its connection on")
        connection = self._full if durable else self._normal
        with self._write_lock, self._translated("write to the database"):
            self._writing_thread = threading.get_ident()
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    _rollback(connection)
                    raise
            finally:
                self._writing_thread = 0
        self._after_commit()

    def close(self) -> None:
        """Fold the log into the file and close; idempotent."""
        self._checkpointer.close()
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._normal.close()
            self._full.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _after_commit(self) -> None:
        self._commits += 1  # a lost increment only delays the next checkpoint
        if self._commits % _CHECKPOINT_EVERY == 0:
            self._checkpointer.wake()

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise self._explain(action, error) from error

    def _explain(self, action: str, error: sqlite3.DatabaseError) -> EstibaError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._is_full()):
            return no_space(action, self._path)
        if code == sqlite3.SQLITE_BUSY:
            return Unavailable(f"cannot {action}: {self._path} is locked by another process")
        return SystemFailure(f"cannot {action} {self._path}: {error}")

    def _is_full(self) -> bool:
        try:
            status = os.statvfs(self._path.parent)
        except OSError:
            return False
        return status.f_bavail * status.f_frsize < 1 << 16


class _Checkpointer:
    """The thread that copies the write-ahead log into the database file when it has grown."""

    def __init__(self, path: Path, write_lock: threading.Lock) -> None:
        self._path = path
        self._write_lock = write_lock
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start a checkpoint soon; never waits for it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="estiba-checkpoint", daemon=True)
            self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """Wait for a checkpoint under way, and end."""
        self._closing = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while True:
                self._wanted.wait()
                self._wanted.clear()
                if self._closing:
                    return
                # a failure (a full disk) leaves the log as it is: nothing is lost, the next wake tries again
                with suppress(sqlite3.Error):
                    connection = connection or _connect(self._path, "NORMAL", busy_seconds=0)
                    # nearly all beside the writers; then the rest while they wait, so that the log starts again
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    with self._write_lock:
                        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            if connection is not None:
                connection.close()


def _connect(path: Path, synchronous: str, busy_seconds: float = _BUSY_SECONDS) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        connection.execute("PRAGMA journal_size_limit=8388608").fetchall()
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-512")
    except BaseException:
        connection.close()
        raise
    return connection


def _reserve(path: Path) -> None:
    """Let the log have blocks before it needs them; zeros behind its last frame mean nothing to SQLite."""
    with suppress(OSError):  # the disk is full already, or its file system cannot
        descriptor = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(descriptor, 0, _RESERVED_BYTES)
        finally:
            os.close(descriptor)


def _rollback(connection: sqlite3.Connection) -> None:
    # SQLite has already rolled back after some errors (a full disk)
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
