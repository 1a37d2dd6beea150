"""A streaming reader of tar archives, made for speed and for hostile input: about 13 µs an entry, everything bounded.

    reader = TarReader(blocks)          # bytes blocks of any size
    for entry in reader:
        for piece in reader.data(): …   # optional: what is not taken is skipped

Every format error is an InvalidArgument that names the entry. A clean end of the stream between two entries is accepted
(many programs leave the end mark away); an end inside an entry is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from estiba.errors import InvalidArgument
from estiba.images import pax, sparse
from estiba.images.tar import (
    BLOCK,
    CHECKSUM,
    HEADER,
    ZEROS,
    Entry,
    Kind,
    bad_entry,
    checksum_matches,
    parse_number,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# One extended header, long name or long link. Attributes are at most 64 KiB in Linux, 4,096-deep names 1 MiB.
META_BYTES: Final = 1 << 20
# Extended headers of the whole archive: this much, and this much for each entry.
_META_BASE: Final = 64 << 20
_META_EACH: Final = 8 << 10
_META_HEADERS: Final = 8
# What may follow the end mark (tapes are padded to their record size).
_TRAILER: Final = 16 << 20
_MAX_SIZE: Final = (1 << 63) - 1
_MAX_TIME: Final = (1 << 62) * 1_000_000_000
_MAX_ID: Final = (1 << 32) - 2
_BILLION: Final = 1_000_000_000

_KINDS: Final = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"D": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_META: Final = frozenset(b"xXgLK")
_IGNORED: Final = frozenset(b"V")  # a volume's label, which has no data
_NUMBERS: Final = {b"uid": "uid", b"gid": "gid", b"size": "size"}


class _Overrides:
    """What the extended headers before an entry say about it."""

    __slots__ = ("headers", "link", "name", "records")

    def __init__(self) -> None:
        self.headers = 0
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.records: list[tuple[bytes, bytes]] = []

    def called(self) -> bytes | None:
        """The name that they give, for messages."""
        return dict(self.records).get(b"path", self.name)


class TarReader:
    """Iterate once over the entries of an archive given as blocks of bytes.

    Attributes:
        offset: bytes of the archive taken so far.
        count: entries seen so far.
        stored: bytes that the archive holds for the current entry, before any of them are taken.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._buffer = b""
        self._position = 0
        self._before = 0
        self._remaining = 0
        self._padding = 0
        self._meta_bytes = 0
        self._name = b""
        self._globals: dict[bytes, bytes] = {}
        self.count = 0
        self.stored = 0

    @property
    def offset(self) -> int:
        return self._before + self._position

    def __iter__(self) -> Iterator[Entry]:
        overrides: _Overrides | None = None
        unpack = HEADER.unpack
        while True:
            if self._remaining or self._padding:
                self._skip(self._remaining + self._padding)
                self._remaining = self._padding = 0
            header = self._header(overrides)
            if header is None:
                self._drain()
                return
            fields = unpack(header)
            if not checksum_matches(header, header[CHECKSUM]):
                self._damaged("invalid tar header (wrong checksum)")
            kind = fields[7]
            if kind[0] in _META:
                overrides = self._extended(kind, header, overrides or _Overrides())
                continue
            if kind[0] in _IGNORED:
                continue
            try:
                entry = self._entry(header, fields, overrides)
            except (ValueError, OverflowError) as error:
                raise bad_entry(self._name, str(error)) from None
            overrides = None
            self.count += 1
            self.stored = self._remaining
            yield entry

    def data(self) -> Iterator[memoryview]:
        """The stored bytes of the current entry in pieces; of a sparse file its parts one after the other."""
        while self._remaining:
            piece = memoryview(self._buffer)[self._position : self._position + self._remaining]
            if not piece:
                self._next()
                continue
            self._position += len(piece)
            self._remaining -= len(piece)
            yield piece

    # bytes

    def _next(self) -> None:
        """Go on to the next block; the current one is used up."""
        following = next(self._blocks, None)
        if following is None:
            self._truncated()
        self._before += len(self._buffer)
        self._buffer = following
        self._position = 0

    def _take(self, size: int) -> bytes:
        position = self._position
        end = position + size
        if end <= len(self._buffer):
            self._position = end
            return self._buffer[position:end]
        parts = []
        while size:
            part = self._buffer[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(part)
            if size:
                self._next()
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        while size > (available := len(self._buffer) - self._position):
            size -= available
            self._position = len(self._buffer)
            self._next()
        self._position += size

    def _at_end(self) -> bool:
        while self._position == len(self._buffer):
            following = next(self._blocks, None)
            if following is None:
                return True
            self._before += len(self._buffer)
            self._buffer = following
            self._position = 0
        return False

    def _header(self, overrides: _Overrides | None) -> bytes | None:
        """The next header block, None at the archive's end."""
        if self._at_end():
            if overrides is not None:
                self._truncated()
            return None
        header = self._take(BLOCK)
        if header != ZEROS:
            return header
        if overrides is not None:
            self._damaged("the archive ends after an extended header")
        if not self._at_end() and self._take(BLOCK) != ZEROS:
            self._damaged("invalid tar header (a lone zero block)")
        return None

    def _drain(self) -> None:
        """Read the stream to its end, so that whoever hashes it sees all of it."""
        limit = self.offset + _TRAILER
        while not self._at_end():
            self._position = len(self._buffer)
            if self.offset > limit:
                raise InvalidArgument("invalid archive: more than 16 MiB follow its end mark")

    # headers

    def _damaged(self, why: str) -> NoReturn:
        after = f"after entry {shown(self._name)}" if self.count else "at its beginning"
        raise InvalidArgument(f"invalid archive: {why} {after}")

    def _truncated(self) -> NoReturn:
        raise bad_entry(self._name, "the archive is truncated (unexpected EOF)")

    def _stored(self, size: int) -> None:
        if not 0 <= size <= _MAX_SIZE:
            raise ValueError(f"impossible size {size}")
        self._remaining = size
        self._padding = -size % BLOCK

    def _extended(self, kind: bytes, header: bytes, overrides: _Overrides) -> _Overrides:
        try:
            self._stored(parse_number(header[124:136]))
            size, padding = self._remaining, self._padding
            self._remaining = self._padding = 0
            self._meta_bytes += size + BLOCK
            overrides.headers += 1
            if size > META_BYTES or overrides.headers > _META_HEADERS:
                raise ValueError("extended header too large")
            if self._meta_bytes > _META_BASE + _META_EACH * self.count:
                raise ValueError("too many extended headers")
            data = self._take(size + padding)[:size]
            if kind == b"L":
                overrides.name = data.rstrip(b"\0")
            elif kind == b"K":
                overrides.link = data.rstrip(b"\0")
            elif kind == b"g":
                self._global(pax.parse_records(data))
            else:
                overrides.records += pax.parse_records(data)
        except ValueError as error:
            self._damaged(str(error))
        return overrides

    def _global(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        for key, value in records:
            if value:
                self._globals[key] = value
            else:
                self._globals.pop(key, None)
        if sum(map(len, self._globals.values())) > META_BYTES:
            raise ValueError("global headers too large")

    def _entry(self, header: bytes, fields: tuple[bytes, ...], overrides: _Overrides | None) -> Entry:
        name, mode, uid, gid, size, mtime, _, type_byte, link, magic, major, minor, prefix = fields
        name = name.partition(b"\0")[0]
        if magic.startswith(b"ustar\0") and prefix[0]:
            if header[508:512] == b"tar\0":  # star: times follow a shorter prefix
                prefix = prefix[:131]
            name = prefix.partition(b"\0")[0] + b"/" + name
        self._name = (overrides and overrides.called()) or name
        kind = _KINDS.get(type_byte)
        if kind is None:
            raise ValueError(f"unsupported type {type_byte!r}")
        values = {"uid": parse_number(uid), "gid": parse_number(gid), "size": parse_number(size)}
        values["mtime"] = parse_number(mtime) * _BILLION
        extents: tuple[int, ...] | None = None
        xattrs: dict[bytes, bytes] | None = None
        link = link.partition(b"\0")[0]
        records: list[tuple[bytes, bytes]] = []
        if overrides is not None or self._globals:
            records = [*self._globals.items(), *(overrides.records if overrides else ())]
            name, link, xattrs = self._apply(records, overrides, values, (name, link))
        if kind is Kind.FILE and name.endswith(b"/") and type_byte in b"\x000":
            kind = Kind.DIRECTORY  # as v7 archives have them
        if kind is Kind.FILE and records:
            extents = self._pax_sparse(records, values)
        if extents is None:
            self._stored(values["size"] if kind is Kind.FILE or type_byte == b"D" else 0)
            if type_byte == b"S":
                extents = self._old_sparse(header, values)
        _check(name, values)
        return Entry(
            name,
            kind,
            parse_number(mode) & 0o7777,
            values["uid"],
            values["gid"],
            values["size"] if kind is Kind.FILE else 0,
            values["mtime"],
            link,
            (parse_number(major), parse_number(minor)) if kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0),
            xattrs,
            extents,
        )

    def _apply(
        self,
        records: Sequence[tuple[bytes, bytes]],
        overrides: _Overrides | None,
        values: dict[str, int],
        names: tuple[bytes, bytes],
    ) -> tuple[bytes, bytes, dict[bytes, bytes] | None]:
        """Apply extended headers; later records win, pax over GNU's long names."""
        name, link = names
        if overrides is not None:
            name = overrides.name if overrides.name is not None else name
            link = overrides.link if overrides.link is not None else link
        xattrs: dict[bytes, bytes] = {}
        real_name = None  # the path of a sparse file's header is made up for readers that don't know the format
        for key, value in records:
            if key == b"path":
                name = value
            elif key == b"GNU.sparse.name":
                real_name = value
            elif key == b"linkpath":
                link = value
            elif key == b"mtime":
                values["mtime"] = pax.parse_time(value)
            elif key in _NUMBERS:
                values[_NUMBERS[key]] = _decimal(key, value)
            elif key.startswith(pax.XATTR):
                xattrs[pax.xattr_name(key)] = value
        name = self._name = real_name or name
        return name, link, xattrs or None

    # sparse files

    def _old_sparse(self, header: bytes, values: dict[str, int]) -> tuple[int, ...]:
        extents, values["size"] = sparse.read_old_gnu(header, lambda: self._take(BLOCK))
        return sparse.check_map(extents, values["size"], self._remaining)

    def _pax_sparse(self, records: Sequence[tuple[bytes, bytes]], values: dict[str, int]) -> tuple[int, ...] | None:
        found = dict(records)
        if found.get(b"GNU.sparse.major") == b"1":
            return self._pax_sparse_1(found, values)
        extents = sparse.read_pax_0(records)
        if extents is None:
            return None
        self._stored(values["size"])
        values["size"] = _decimal(b"size", found.get(b"GNU.sparse.size", b""))
        return sparse.check_map(extents, values["size"], self._remaining)

    def _pax_sparse_1(self, found: dict[bytes, bytes], values: dict[str, int]) -> tuple[int, ...]:
        stored = values["size"]
        self._stored(stored)
        extents, taken = sparse.read_pax_1(lambda: self._take(BLOCK))
        if taken > stored:
            raise ValueError("damaged sparse map")
        self._remaining = stored - taken  # the map is whole blocks: the padding stays
        values["size"] = _decimal(b"size", found.get(b"GNU.sparse.realsize", b""))
        return sparse.check_map(extents, values["size"], stored - taken)


def _decimal(key: bytes, value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise ValueError(f"impossible {key.decode()} {value[:32]!r}")
    return int(value)


def _check(name: bytes, values: dict[str, int]) -> None:
    if not 0 <= values["uid"] <= _MAX_ID or not 0 <= values["gid"] <= _MAX_ID:
        raise ValueError(f"impossible owner {values['uid']}:{values['gid']}")
    if not -_MAX_TIME <= values["mtime"] <= _MAX_TIME:
        values["mtime"] = max(-_MAX_TIME, min(_MAX_TIME, values["mtime"]))
    if b"\0" in name:
        raise ValueError("NUL in its name")
    if not 0 <= values["size"] <= _MAX_SIZE:
        raise ValueError(f"impossible size {values['size']}")
