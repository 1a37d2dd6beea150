"""Clients attached to a container that does not run yet: their sockets wait here until the start takes them along."""

from __future__ import annotations

import os
import select
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estiba.engine.loop import Loop
    from estiba.runtime.monitor import Attachment


@dataclass(frozen=True)
class AttachRequest:
    """What a client wants of a container's streams. detach_keys is Docker's notation; "" is ctrl-p,ctrl-q."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    logs: bool = False
    stream: bool = True
    detach_keys: str = ""


class HeldAttachments:
    """The waiting sockets, by container. A client that hangs up meanwhile is forgotten."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._held: dict[str, list[Attachment]] = {}

    def hold(self, container_id: str, attachment: Attachment) -> None:
        """Keep until the start; the descriptor belongs to this object now."""
        with self._lock:
            self._held.setdefault(container_id, []).append(attachment)
        self._loop.watch(attachment.descriptor, lambda: self._gone(container_id, attachment), select.EPOLLHUP)

    def take(self, container_id: str) -> list[Attachment]:
        """All that wait for this container; they belong to the caller now."""
        with self._lock:
            taken = self._held.pop(container_id, [])
        for attachment in taken:
            self._loop.forget(attachment.descriptor)
        return taken

    def drop(self, container_id: str) -> None:
        """Hang up on all that wait for this container."""
        for attachment in self.take(container_id):
            os.close(attachment.descriptor)

    def close(self) -> None:
        """Hang up on everybody."""
        for container_id in list(self._held):
            self.drop(container_id)

    def _gone(self, container_id: str, attachment: Attachment) -> None:
        with self._lock:
            held = self._held.get(container_id, [])
            if attachment not in held:
                return
            held.remove(attachment)
        self._loop.forget(attachment.descriptor)
        os.close(attachment.descriptor)


def parse_detach_keys(keys: str) -> bytes:
    """Docker's notation to bytes: `ctrl-a` to `ctrl-z`, `ctrl-@ [ \\ ] ^ _`, or single characters, comma separated.

    "" gives the default, ctrl-p,ctrl-q. Raises ValueError naming the key that is none.
    """
    if not keys:
        return b"\x10\x11"
    parsed = bytearray()
    for key in keys.split(","):
        if len(key) == 1 and key.isascii():
            parsed.append(ord(key))
        elif key.startswith("ctrl-") and len(key) == 6 and (key[5].islower() or key[5] in "@[\\]^_"):
            parsed.append(ord(key[5].upper()) & 0x1F)
        else:
            raise ValueError(key)
    return bytes(parsed)
