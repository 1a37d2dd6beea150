"""The two ways to an engine: in this process, or at an address. What `import estiba` shows first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.client.library import EngineFace
from estiba.client.local import LocalBackend
from estiba.client.remote import RemoteBackend
from estiba.engine.engine import DEFAULT_ROOT, DEFAULT_RUN
from estiba.engine.engine import Engine as CoreEngine
from estiba.errors import Conflict
from estiba.store.locks import find_holder

if TYPE_CHECKING:
    import os


class Engine(EngineFace):
    """The engine in this process: no daemon, no socket.

    Args:
        root: where images, containers and volumes are kept (default /var/lib/estiba).
        run: the directories of this boot (default /run/estiba).
        serve: also answer Docker's API, at this socket path (or at the root's usual one: True).

    Raises:
        Conflict: another engine has this root; the message names it and its socket.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        run: str | os.PathLike[str] | None = None,
        serve: bool | str = False,
    ) -> None:
        core = CoreEngine(Path(root) if root else None, Path(run) if run else None)
        super().__init__(LocalBackend(core))
        self._server = None
        if serve:
            from estiba.client.serving import Server

            try:
                self._server = Server(core, serve if isinstance(serve, str) else None)
            except BaseException:
                core.close()
                raise

    @property
    def socket(self) -> str:
        """The path of the API's socket; "" when it is not served."""
        return self._server.path if self._server is not None else ""

    def close(self) -> None:
        """Remove what was made here and let go of the root; other containers run on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        super().close()


def connect(host: str = "unix:///run/estiba.sock") -> EngineFace:
    """An engine at a socket, Estiba's or another one that speaks Docker's API. Raises Unavailable."""
    return EngineFace(RemoteBackend(host))


def open(  # noqa: A001 - the library's own word: estiba.open()
    root: str | os.PathLike[str] | None = None, *, run: str | os.PathLike[str] | None = None
) -> EngineFace:
    """The engine of a root, wherever it runs: at its holder's socket, or in this process when nobody has it.

    Raises Conflict when the holder serves no socket.
    """
    place = Path(root) if root else DEFAULT_ROOT
    holder = find_holder(place) if place.is_dir() else None
    if holder is None:
        return Engine(place, run=run or DEFAULT_RUN)
    if not holder.socket:
        raise Conflict(f"cannot open {place}: process {holder.pid} has it and serves no socket")
    return connect(f"unix://{holder.socket}")
