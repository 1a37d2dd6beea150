"""The content store: blobs by digest in an OCI image layout (image-spec, image-layout.md).

    ROOT/images/oci-layout, index.json, blobs/ALGORITHM/HEX      ROOT/tmp/…      blobs that are being written

A blob is written under a temporary name, hashed while it is, and renamed when its digest is known: what stands below
blobs/ was verified. Nothing is synchronised here file by file: sync() once, before a reference to them is recorded.
Blobs that nothing refers to are removed when the store is opened, so what a crash or a power cut left goes then.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self

from estiba.errors import InvalidArgument, NotFound
from estiba.linux.libc import syncfs
from estiba.oci import digest as digests
from estiba.store.atomic import write_all, write_file
from estiba.store.space import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash
    from pathlib import Path

    from estiba.images.pins import Hold

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_READ = 1 << 20
_EARLY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that is there: its digest and its size in bytes."""

    digest: str
    size: int


class BlobStore:
    """The blobs of one root directory. Thread-safe: files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "images"
        self.temporary = root / "tmp"
        self._directory = self.directory / "blobs" / "sha256"
        with explained("prepare the image store", root):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.temporary.mkdir(mode=0o700, exist_ok=True)
            if not (self.directory / "oci-layout").exists():
                write_file(self.directory / "oci-layout", LAYOUT, 0o644)

    def path(self, digest: str) -> Path:
        """Where a blob is or would be. Raises InvalidArgument for what is no sha256 digest."""
        algorithm, _, encoded = digests.check(digest).partition(":")
        if algorithm != "sha256":
            raise InvalidArgument(f"cannot store {digest}: only sha256 digests are supported")
        return self._directory / encoded

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).exists()

    def size(self, digest: str) -> int:
        """Its bytes. Raises NotFound."""
        with self._missing(digest):
            return self.path(digest).stat().st_size

    def open(self, digest: str) -> BinaryIO:
        """The blob, to be read and closed by the caller. Raises NotFound."""
        with self._missing(digest):
            return open(self.path(digest), "rb", buffering=0)

    def read(self, digest: str, most: int) -> bytes:
        """A small blob as a whole. Raises NotFound; InvalidArgument when it has more than `most` bytes."""
        with self.open(digest) as file:
            if os.fstat(file.fileno()).st_size > most:
                raise InvalidArgument(f"cannot read {digest}: it is larger than {most} bytes")
            return file.read(most) or b""

    def writer(self, what: str = "a blob") -> BlobWriter:
        """A new blob; use it as a context manager. `what` names it in errors."""
        return BlobWriter(self, what)

    def add(self, data: bytes, hold: Hold) -> Blob:
        """Write a small blob as a whole; it is pinned before it is looked for."""
        digest = digests.of(data)
        hold.add(digest)
        if self.has(digest):
            return Blob(digest, len(data))
        with self.writer() as writer:
            writer.write(data)
            return writer.commit(digest)

    def list(self) -> Iterator[str]:
        """The digests of all blobs."""
        with os.scandir(self._directory) as entries:
            for entry in entries:
                digest = f"sha256:{entry.name}"
                if digests.is_digest(digest):
                    yield digest

    def remove(self, blobs: Iterable[str]) -> int:
        """Remove blobs; those that aren't there are ignored. Returns the bytes that they had."""
        freed = 0
        for digest in blobs:
            path = self.path(digest)
            with contextlib.suppress(FileNotFoundError):
                freed += path.stat().st_size
                path.unlink()
        return freed

    def sync(self) -> None:
        """Put everything written on disk: blobs, layers, names (one syncfs of the root's file system)."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with explained("write the image to disk", self.directory):
                syncfs(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def written_early(self) -> Iterator[None]:
        """While much is written: let the disk work meanwhile, so that `sync` finds little left to wait for.

        Raises what writing failed with: the kernel tells of that once, here or in `sync`.
        """
        ended = threading.Event()
        failures: list[OSError] = []

        def work() -> None:
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                while not ended.wait(_EARLY_SECONDS):
                    syncfs(descriptor)
            except OSError as error:
                failures.append(error)
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=work, name="estiba-write-early", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        if failures:
            with explained("write the image to disk", self.directory):
                raise failures[0]

    @contextlib.contextmanager
    def _missing(self, digest: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is missing from {self.directory}") from None


class BlobWriter:
    """A blob under a temporary name; unless commit() is called it vanishes with the block."""

    def __init__(self, store: BlobStore, what: str) -> None:
        self._store = store
        self._what = what
        self._hash: _Hash | None = digests.hasher()
        self._path = store.temporary / f"blob-{secrets.token_hex(8)}"
        self._descriptor = -1
        self.size = 0

    def __enter__(self) -> Self:
        with explained(f"write {self._what}", self._store.directory):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o644)
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises Unavailable when there is no space."""
        with explained(f"write {self._what}", self._store.directory):
            write_all(self._descriptor, data)
        if self._hash is not None:
            self._hash.update(data)
        self.size += len(data)

    def stop_hashing(self) -> None:
        """Somebody else hashes what is written from now on, or nobody: digest() then reads it again."""
        self._hash = None

    def reader(self) -> BinaryIO:
        """What has been written, from its beginning, on a descriptor of its own."""
        return open(self._path, "rb", buffering=0)

    def digest(self) -> str:
        """The sha256 digest of what has been written; reads it again when nobody hashed meanwhile."""
        if self._hash is None:
            computed = digests.hasher()
            with self.reader() as file:
                while data := file.read(_READ):
                    computed.update(data)
            return f"sha256:{computed.hexdigest()}"
        return f"sha256:{self._hash.hexdigest()}"

    def commit(self, digest: str = "", *, trusted: bool = False) -> Blob:
        """Give the blob its name.

        Args:
            digest: the one that is expected.
            trusted: the caller has computed `digest` from these very bytes.

        Raises:
            InvalidArgument: the content has another digest.
        """
        actual = digest if trusted else self.digest()
        if digest and actual != digest:
            raise InvalidArgument(f"cannot store {self._what}: its digest is {actual}, not {digest} as expected")
        with explained(f"write {self._what}", self._store.directory):
            os.rename(self._path, self._store.path(actual))
        return Blob(actual, self.size)
