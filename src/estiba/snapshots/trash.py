"""Removal without waiting: a rename into the trash, then one owned thread that deletes.

What the engine's death leaves there is deleted after the next start.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from estiba.linux.directories import OPEN_DIRECTORY
from estiba.linux.files import remove_tree

if TYPE_CHECKING:
    from pathlib import Path


class Trash:
    """A directory whose content goes. Close it to end the thread; it stops between two directories."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._changed = threading.Condition()
        self._closing = False
        self._waiting = [os.fsencode(name) for name in os.listdir(directory)]
        self._number = max((int(name) for name in self._waiting if name.isdigit()), default=0)
        self._busy = False
        self._thread: threading.Thread | None = None

    def discard(self, path: Path) -> None:
        """Move a file or directory of the same file system away; its deletion is seen to. Absence is no error."""
        with self._changed:
            self._number += 1
            name = str(self._number)
        with suppress(FileNotFoundError):
            os.rename(path, self._directory / name)
            with self._changed:
                self._waiting.append(name.encode())
            self.wake()

    def wake(self) -> None:
        """Let the thread delete what is there."""
        with self._changed:
            if self._thread is None and not self._closing and self._waiting:
                self._thread = threading.Thread(target=self._run, name="estiba-trash", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drain(self, timeout: float) -> bool:
        """Wait until everything is deleted; False when that takes longer than `timeout` seconds."""
        self.wake()
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self) -> None:
        """End the thread; what is left is deleted another time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        directory = os.open(self._directory, OPEN_DIRECTORY)
        try:
            while (name := self._next()) is not None:
                # what cannot be deleted (an immutable mount, a failing disk) stays for the next start
                with suppress(OSError):
                    remove_tree(directory, name, stopped=lambda: self._closing)
        finally:
            os.close(directory)

    def _next(self) -> bytes | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            while not self._waiting and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            self._busy = True
            return self._waiting.pop(0)
