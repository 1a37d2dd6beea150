"""A layer's archive becomes a directory for overlayfs, and an archive of `cp` goes into a container's tree.

    apply_layer(stream, directory, lower=…)     OCI layer: whiteouts become overlayfs whiteouts and opaque directories
    extract_archive(stream, root, path)         into a directory of a mounted root; nothing is translated

Nothing is undone here when it fails: the owner of the directory removes it (a layer), or keeps what came before the
failure (a container, as in Docker).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from estiba.errors import InvalidArgument, NotFound
from estiba.images.compression import decompressed
from estiba.images.copyup import copy_attributes, copy_entry
from estiba.images.extract import Extractor, Limits
from estiba.images.pipeline import Pipeline
from estiba.images.tar import Entry, Kind, shown
from estiba.images.tarreader import TarReader
from estiba.linux.directories import DirectoryCache
from estiba.linux.files import refuse_mount_root, remove_tree
from estiba.linux.openat2 import open_in_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from estiba.images.compression import Readable

# https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
WHITEOUT: Final = b".wh."
WHITEOUT_META: Final = b".wh..wh."
OPAQUE: Final = b".wh..wh..opq"
# https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
OPAQUE_XATTR: Final = "trusted.overlay.opaque"
DEFAULT_LIMITS: Final = Limits()


class UnpackResult(msgspec.Struct, frozen=True):
    """What was unpacked.

    Attributes:
        diff_id: sha256 of the uncompressed archive, "sha256:…".
        blob_digest: sha256 of the stream as it came, "" where it was not asked for.
        blob_size: bytes of the stream.
        size: bytes of the files in the layer.
        entries: entries of the archive.
        independent: whether it is the same on every stack, the root's attributes aside: no directory was used without
            being listed.
        root_listed: whether the archive says what the root directory is like.
    """

    diff_id: str
    blob_digest: str
    blob_size: int
    size: int
    entries: int
    independent: bool = True
    root_listed: bool = False


def is_whiteout(found: os.stat_result) -> bool:
    """Whether this is how overlayfs records that a name of a lower layer is gone: a character device 0:0."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def apply_layer(
    stream: Readable,
    directory: int,
    *,
    lower: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    hash_blob: bool = True,
    report: Callable[[int], None] | None = None,
) -> UnpackResult:
    """Unpack a layer's blob (gzip, zstd, xz, bzip2 or plain) into an empty directory given by its descriptor.

    Args:
        stream: read to its end, not closed.
        lower: root of a read-only view of the layers below, for hard links into them and for the attributes of
            directories that the archive uses without listing them. None: there are none.
        report: called with the number of bytes of the blob consumed so far; what it raises ends the work.

    Raises:
        InvalidArgument: a damaged or hostile archive; the message names the entry.
        Unavailable: no space.
        SystemFailure: the file system refused.
    """
    with Pipeline(stream, hash_blob=hash_blob) as pipeline, DirectoryCache(directory) as directories:
        with DirectoryCache(directory if lower is None else lower, 64) as below:
            extractor = _LayerExtractor(directories, limits, None if lower is None else below)
            if lower is not None:
                copy_attributes(lower, directory)
            extractor.run(TarReader(_reported(pipeline, report)))
        blob_digest, diff_id = pipeline.digests()
    return UnpackResult(
        diff_id,
        blob_digest,
        pipeline.consumed,
        extractor.size,
        extractor.entries,
        extractor.independent,
        extractor.root_listed,
    )


def _reported(pipeline: Pipeline, report: Callable[[int], None] | None) -> Iterator[bytes]:
    for block in pipeline.blocks():
        if report:
            report(pipeline.consumed)
        yield block


class _LayerExtractor(Extractor):
    """Whiteouts are translated; what the archive leaves unsaid is taken from the layers below."""

    def __init__(self, directories: DirectoryCache, limits: Limits, lower: DirectoryCache | None) -> None:
        super().__init__(directories, limits)
        self._lower = lower
        self.independent = True
        self.root_listed = False

    def top(self, entry: Entry) -> None:
        self.root_listed = True
        super().top(entry)

    def apply(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        parent, _, name = path.rpartition(b"/")
        if not name.startswith(WHITEOUT):
            if not path.startswith(WHITEOUT_META):  # aufs kept its own records in layers of old
                super().apply(path, entry, reader)
        elif name == OPAQUE:
            os.setxattr(self.parent(parent), OPAQUE_XATTR, b"y")
        elif not name.startswith(WHITEOUT_META):
            self._whiteout(parent, name.removeprefix(WHITEOUT))

    def _whiteout(self, parent: bytes, name: bytes) -> None:
        """Hide a name of the layers below; what this layer itself has there stays (image-spec, layer.md)."""
        if name in (b"", b".", b".."):
            raise ValueError("a whiteout of nothing, or of its own directory")
        directory = self.parent(parent)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=directory)
        except FileExistsError:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                path = parent + b"/" + name if parent else name
                os.setxattr(self._directories.get(path), OPAQUE_XATTR, b"y")

    def implied(self, path: bytes, descriptor: int) -> None:
        self.independent = False
        if self._lower is None:
            return
        try:
            source = self._lower.get(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        self._times[path] = copy_attributes(source, descriptor).st_mtime_ns

    def became_directory(self, descriptor: int, found: os.stat_result | None) -> None:
        if found is not None:  # whatever hid the lower directory's content must go on hiding it
            os.setxattr(descriptor, OPAQUE_XATTR, b"y")

    def obstructed(self, path: bytes) -> int:
        """A directory that this layer removes and, without listing it, uses again is a new one."""
        prefix = b""
        for name in path.split(b"/"):
            directory = self._directories.get(prefix)
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            prefix = prefix + b"/" + name if prefix else name
            if is_whiteout(found):
                os.unlink(name, dir_fd=directory)
                os.fchmod(self._make_directory(directory, prefix, name, found), 0o755)
                return self.parent(path)
            if not stat.S_ISDIR(found.st_mode):
                break
        return super().obstructed(path)

    def may_link(self, target: bytes, found: os.stat_result) -> None:
        if is_whiteout(found):
            raise ValueError(f"hard link to {shown(target)}, which this layer removes")

    def missing_target(self, path: bytes) -> bool:
        if self._lower is None:
            return False
        above, _, name = path.rpartition(b"/")
        try:
            source = self._lower.get(above)
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(f"hard link to the directory {shown(path)}")
        copy_entry(source, self.parent(above), name)
        return True


def extract_archive(
    stream: Readable,
    root: int,
    path: str,
    *,
    no_overwrite_dir_non_dir: bool = False,
    owner: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    report: Callable[[int], None] | None = None,
) -> None:
    """Unpack an archive into the directory `path` of a container's tree whose top is the descriptor `root`.

    Links on the way, in `path` and in the entries' names, are followed as the container would follow them and cannot
    lead out of `root`, whatever is swapped meanwhile. What something is mounted on is not replaced.

    Args:
        no_overwrite_dir_non_dir: refuse to replace a directory by something else, or the reverse.
        owner: (uid, gid) for everything that is made, instead of the archive's numbers.

    Raises:
        NotFound: there is no `path`.
        InvalidArgument: it is no directory; a damaged or hostile archive, with the entry's name.
    """
    with _RootedDirectories(root, path) as directories:
        extractor = _ContainerExtractor(directories, limits, owner, path if no_overwrite_dir_non_dir else None)
        extractor.run(TarReader(_counted(stream, report)))


def _counted(stream: Readable, report: Callable[[int], None] | None) -> Iterator[bytes]:
    taken = 0
    for block in decompressed(stream):
        taken += len(block)
        if report:
            report(taken)
        yield block


class _RootedDirectories(DirectoryCache):
    """Directories of a container: links are followed, but only inside its root."""

    def __init__(self, root: int, path: str) -> None:
        self._container = root
        self._base = os.fsencode(path).strip(b"/")
        try:
            base = open_in_root(root, self._base, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise NotFound(f"Could not find the file {path}") from None
        except NotADirectoryError:
            raise InvalidArgument("extraction point is not a directory") from None
        super().__init__(base)

    def close(self) -> None:
        super().close()
        os.close(self.root)

    def _open_path(self, path: bytes) -> int:
        return open_in_root(self._container, self._base + b"/" + path, os.O_RDONLY | os.O_DIRECTORY)


class _ContainerExtractor(Extractor):
    """Nothing is translated; the destination itself is left as it is."""

    def __init__(
        self,
        directories: DirectoryCache,
        limits: Limits,
        owner: tuple[int, int] | None,
        careful: str | None,
    ) -> None:
        super().__init__(directories, limits, owner=owner)
        self._careful = careful

    def top(self, entry: Entry) -> None:
        pass

    def may_replace(self, parent: int, path: bytes, found: os.stat_result, entry: Entry) -> None:
        directory = stat.S_ISDIR(found.st_mode)
        if self._careful is not None and directory != (entry.kind is Kind.DIRECTORY):
            kinds = ("directory", "non-directory") if directory else ("non-directory", "directory")
            raise InvalidArgument(f'cannot overwrite {kinds[0]} {shown(path)} with {kinds[1]} "{self._careful}"')
        refuse_mount_root(parent, path.rpartition(b"/")[2])

    def remove_tree(self, parent: int, name: bytes) -> None:
        remove_tree(parent, name, check=refuse_mount_root)
