"""The user's terminal: is there one, how large, raw while a container has it, and the keys that give it back."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_DETACH = b"\x10\x11"  # ctrl-p, ctrl-q
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def is_terminal(descriptor: int) -> bool:
    """Also False for a closed descriptor."""
    return os.isatty(descriptor)


def size(descriptor: int = 1) -> tuple[int, int]:
    """Height and width; (0, 0) where there is no terminal."""
    try:
        columns, lines = os.get_terminal_size(descriptor)
    except OSError:
        return 0, 0
    return lines, columns


def parse_keys(text: str) -> bytes:
    """Bytes of ``ctrl-p,ctrl-q``, ``a,b``.

    Raises:
        ValueError: a key has no code.
    """
    found = bytearray()
    for key in text.split(","):
        name = key.lower().removeprefix("ctrl-") if len(key) > 1 else ""
        if len(key) == 1:
            found += key.encode()
        elif len(name) == 1 and key.lower().startswith("ctrl-") and name in _CONTROL:
            found.append(_CONTROL.index(name))
        else:
            raise ValueError(f"Unknown character: '{key}'")
    return bytes(found)


class KeyWatch:
    """Finds the detach keys in what is typed; a partial match is held back until it is decided."""

    def __init__(self, keys: bytes) -> None:
        self.keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the keys were there (nothing after them is passed on)."""
        out = bytearray()
        for byte in data:
            if byte != self.keys[self._matched]:
                out += self.keys[: self._matched]
                self._matched = 0
            if byte == self.keys[self._matched]:
                self._matched += 1
                if self._matched == len(self.keys):
                    return bytes(out), True
            else:
                out.append(byte)
        return bytes(out), False


class Raw:
    """A terminal in raw mode, as it was before afterwards (context manager; ``restore`` may be called early)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._saved: list[Any] | None = None

    def __enter__(self) -> Raw:
        if os.isatty(self._descriptor):
            import termios
            import tty

            self._saved = termios.tcgetattr(self._descriptor)
            tty.setraw(self._descriptor, termios.TCSANOW)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)
            self._saved = None
