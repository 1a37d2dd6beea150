"""Progress streams (pull, push, load, import): plain lines, or bars on a terminal when the work takes longer than a
moment.
"""

from __future__ import annotations

import os
import time

from estiba.cli.session import CommandError
from estiba.cli.terminal import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rich.progress import Progress, TaskID

    from estiba.cli.session import Session
    from estiba.client.transport import Response

_PATIENCE = 0.2  # seconds before bars are shown
_DONE = ("Pull complete", "Download complete", "Pushed", "Already exists", "Layer already exists")


def show(session: Session, reply: Response, *, descriptor: int = 1, quiet: bool = False) -> dict[str, Any]:
    """Show a progress stream to its end; what it returns besides (``aux`` lines) in one dict.

    Args:
        descriptor: 1 or 2.
        quiet: only failures are shown.

    Raises:
        CommandError: the stream ended with an error; its code where there is one.
    """
    session.flush()
    terminal = is_terminal(descriptor) and not quiet
    results: dict[str, Any] = {}
    display: _Lines = _Bars(descriptor) if terminal else _Lines(descriptor)
    try:
        for message in session.client.objects(reply):
            failure = message.get("errorDetail")
            if failure or message.get("error"):
                code = (failure or {}).get("code") or 1
                raise CommandError((failure or {}).get("message") or message["error"], code)
            if "aux" in message:
                results.update(message["aux"])
            elif not quiet:
                display.add(message)
    finally:
        display.close()
    return results


class _Lines:
    """A line per message; steps of a bar are left out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        os.write(self._descriptor, text.encode("utf-8", "replace"))

    def add(self, message: dict[str, Any]) -> None:
        if "stream" in message:
            self.write(message["stream"])
            return
        if (message.get("progressDetail") or {}).get("current"):
            return
        prefix = f"{message['id']}: " if message.get("id") else ""
        self.write(f"{prefix}{message.get('status', '')}\n")

    def close(self) -> None:
        """Nothing is left to show."""


class _Bars(_Lines):
    """A bar per layer, drawn by rich; what has no layer is printed above. rich is loaded only if the work takes long
    enough.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._started = time.monotonic()
        self._latest: dict[str, dict[str, Any]] = {}  # by layer id, until there are bars
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def add(self, message: dict[str, Any]) -> None:
        identity = message.get("id")
        if not identity or "progressDetail" not in message:
            self._print(message)
            return
        self._latest[identity] = message
        if self._bars is None and time.monotonic() - self._started > _PATIENCE:
            self._bars = self._open()
            for each in self._latest.values():
                self._update(each)
        elif self._bars is not None:
            self._update(message)

    def _print(self, message: dict[str, Any]) -> None:
        text = message.get("stream") or (
            (f"{message['id']}: " if message.get("id") else "") + message.get("status", "") + "\n"
        )
        if self._bars is not None:
            self._bars.console.print(text, end="", markup=False, highlight=False)
        else:
            self.write(text)

    def _open(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        stream = open(os.dup(self._descriptor), "w", encoding="utf-8")  # noqa: SIM115  closed with the bars
        bars = Progress(
            TextColumn("{task.fields[layer]}: {task.description:<18}"),
            BarColumn(),
            DownloadColumn(),
            console=Console(file=stream),
        )
        bars.start()
        return bars

    def _update(self, message: dict[str, Any]) -> None:
        bars = self._bars
        if bars is None:
            return
        identity, status, detail = message["id"], message.get("status", ""), message.get("progressDetail") or {}
        if identity not in self._tasks:
            self._tasks[identity] = bars.add_task(status, total=None, layer=identity)
        task = self._tasks[identity]
        if detail.get("current"):
            bars.update(task, description=status, completed=detail["current"], total=detail.get("total") or None)
        elif status in _DONE:
            total = bars.tasks[bars.task_ids.index(task)].total or 1
            bars.update(task, description=status, completed=total, total=total)
        else:
            bars.update(task, description=status)

    def close(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars.console.file.close()
        else:
            for message in self._latest.values():
                self.write(f"{message['id']}: {message.get('status', '')}\n")
