"""Descriptors of directories below one directory, each opened from its parent without following a link.

Whatever a path looks like and whoever swaps what is on the disk meanwhile: a descriptor from here lies below the root
that the cache was made with. Paths are bytes without `.`, `..`, empty components or a leading slash; b"" is the root.
"""

from __future__ import annotations

import errno
import os
from typing import Final

_STRIDE: Final = 64
OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DirectoryCache:
    """Keeps the most recently used descriptors, so that a walk in tree order costs one open per directory.

    The two descriptors got last stay open; an earlier one may be closed by the next `get`.
    Close it, or use it as a context manager. The root's descriptor is borrowed.
    """

    def __init__(self, root: int, capacity: int = 256) -> None:
        self.root = root
        self._capacity = max(capacity, 2)
        self._open: dict[bytes, int] = {}

    def __enter__(self) -> DirectoryCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every descriptor but the root's."""
        while self._open:
            os.close(self._open.popitem()[1])

    def get(self, path: bytes) -> int:
        """The descriptor of the directory `path`; it stays the cache's.

        Raises:
            OSError: ENOENT, ENOTDIR (something else is there, or on the way; a link too), with `path` as filename.
        """
        if not path:
            return self.root
        descriptor = self._open.pop(path, None)
        if descriptor is None:
            descriptor = self._open_path(path)
            self._shrink()
        self._open[path] = descriptor
        return descriptor

    def put(self, path: bytes, descriptor: int) -> None:
        """Hand over the descriptor of a directory that the caller has just opened itself."""
        known = self._open.pop(path, None)
        if known is not None:
            os.close(known)
        else:
            self._shrink()
        self._open[path] = descriptor

    def forget(self, path: bytes) -> None:
        """Close `path` and everything below it: it is about to be removed or replaced."""
        below = path + b"/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            os.close(self._open.pop(known))

    def _shrink(self) -> None:
        if len(self._open) >= self._capacity:
            oldest = next(iter(self._open))
            os.close(self._open.pop(oldest))

    def _open_path(self, path: bytes) -> int:
        descriptor, missing = self._nearest(path)
        owned = False
        names = missing.split(b"/")
        # of a long way some stages are kept, so that a very deep tree is not walked from its root for every name
        stride = max(_STRIDE, 4 * len(names) // self._capacity)
        try:
            for number, name in enumerate(names):
                following = os.open(name, OPEN_DIRECTORY, dir_fd=descriptor)
                if owned and number % stride:
                    os.close(descriptor)
                elif owned:
                    self._keep(path[: -1 - len(b"/".join(names[number:]))], descriptor)
                descriptor, owned = following, True
        except OSError as error:
            if owned:
                os.close(descriptor)
            reason = errno.ENOTDIR if error.errno == errno.ELOOP else error.errno or 0
            raise OSError(reason, os.strerror(reason), path) from None
        return descriptor

    def _keep(self, path: bytes, descriptor: int) -> None:
        self._shrink()
        self._open[path] = descriptor

    def _nearest(self, path: bytes) -> tuple[int, bytes]:
        """The open directory that is nearest above `path`, and the rest of the way."""
        end = len(path)
        while (end := path.rfind(b"/", 0, end)) > 0:
            known = self._open.get(path[:end])
            if known is not None:
                return known, path[end + 1 :]
        return self.root, path
