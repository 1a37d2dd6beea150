"""Read, verify, decompress and hash a layer in threads beside the one that unpacks it.

    thread A   reads the blob, sha256(blob), decompresses        → blocks of about 1 MiB
    thread B   sha256(tar), which is the layer's diff id         ← the same blocks
    caller     iterates over the blocks                          ← the same blocks

All heavy calls release the interpreter's lock. The queues are bounded, so a layer is never held in memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from estiba.images.compression import Compression, Rewound, decompressed, detect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.images.compression import Readable

_DEPTH: Final = 8


class _Closed(Exception):
    """The other end of a channel is gone."""


class _Channel:
    """A bounded queue with an end that either side can reach."""

    def __init__(self) -> None:
        self._blocks: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._finished = self._closed = False

    def put(self, block: bytes) -> None:
        with self._changed:
            while len(self._blocks) >= _DEPTH and not self._closed:
                self._changed.wait()
            if self._closed:
                raise _Closed
            self._blocks.append(block)
            self._changed.notify_all()

    def finish(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is wanted: the putting side is told."""
        with self._changed:
            self._closed = True
            self._blocks.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                while not self._blocks and not self._finished:
                    if self._closed:
                        return
                    self._changed.wait()
                if not self._blocks:
                    return
                block = self._blocks.popleft()
                self._changed.notify_all()
            yield block


class _Hashed:
    """A stream that is counted and, where nobody did it before, hashed as it is read."""

    def __init__(self, stream: Readable, hashing: bool) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256() if hashing else None
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}" if self._sha256 else ""

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if self._sha256:
            self._sha256.update(data)
        self.size += len(data)
        return data


class Pipeline:
    """The blocks of a layer's tar; after the last one its digests are known.

    Use it as a context manager: leaving it ends and joins its threads. A stream that blocks in read() delays that.

    Args:
        stream: the blob, compressed or not; the caller closes it.
        hash_blob: compute the blob's own digest too (where nobody has verified it before).
    """

    def __init__(self, stream: Readable, *, hash_blob: bool = True) -> None:
        source = Rewound(stream)
        # of a plain archive the blob's digest is the diff id: hashed once
        self._plain = detect(source.head) is Compression.NONE
        self._stream = _Hashed(source, hash_blob and not self._plain)
        self._tar = hashlib.sha256()
        self._output = _Channel()
        self._to_hash = _Channel()
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._decompress, name="layer-decompress", daemon=True),
            threading.Thread(target=self._hash, name="layer-hash", daemon=True),
        ]

    def __enter__(self) -> Pipeline:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.close()
        self._to_hash.close()
        for thread in self._threads:
            thread.join()

    @property
    def consumed(self) -> int:
        """Bytes of the blob read so far."""
        return self._stream.size

    def blocks(self) -> Iterator[bytes]:
        """The tar's blocks; raises what reading or decompressing raised."""
        yield from self._output
        if self._error is not None:
            raise self._error

    def digests(self) -> tuple[str, str]:
        """(blob digest or "", diff id) as "sha256:…", once blocks() has come to its end."""
        self._threads[1].join()
        diff_id = f"sha256:{self._tar.hexdigest()}"
        return diff_id if self._plain else self._stream.digest, diff_id

    def _decompress(self) -> None:
        try:
            for block in decompressed(self._stream):
                self._output.put(block)
                self._to_hash.put(block)
        except _Closed:
            pass
        except BaseException as error:  # handed to the consumer
            self._error = error
        finally:
            self._output.finish()
            self._to_hash.finish()

    def _hash(self) -> None:
        for block in self._to_hash:
            self._tar.update(block)
