"""What work under way relies on: blobs that the collector leaves alone though no image refers to them yet."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pins:
    """Digests that are held, each as often as it was asked for.

    `lock` is held by the collector while it decides and deletes, and by everyone between seeing that something is
    there and pinning it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._held: Counter[str] = Counter()

    @contextlib.contextmanager
    def hold(self) -> Iterator[Hold]:
        """A set of pins that ends with the block."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            hold.release()

    def held(self) -> frozenset[str]:
        """Everything that is pinned now."""
        with self.lock:
            return frozenset(self._held)

    def change(self, name: str, by: int) -> None:
        """Pin (1) or unpin (-1)."""
        with self.lock:
            self._held[name] += by
            if self._held[name] <= 0:
                del self._held[name]


class Hold:
    """The pins of one piece of work."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        """Pin a digest; again is no matter."""
        if name not in self._names:
            self._names.add(name)
            self._pins.change(name, 1)

    def release(self) -> frozenset[str]:
        """Let go; returns what was held."""
        names, self._names = frozenset(self._names), set()
        for name in names:
            self._pins.change(name, -1)
        return names
