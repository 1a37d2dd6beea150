"""Every compression, whole, joined, damaged, cut and as a bomb."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import zstandard

from estiba.errors import InvalidArgument
from estiba.images.compression import BLOCK, Compression, decompressed, detect

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = os.urandom(300_000) + b"x" * 3_000_000 + os.urandom(1000)


def zstd_skippable(data: bytes) -> bytes:
    return b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello" + data


def zstd_streamed(data: bytes) -> bytes:
    """Without the content's size, with a checksum, as a pipe produces it."""
    compressor = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compressobj()
    return compressor.compress(data) + compressor.flush()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd streamed": zstd_streamed,
    "zstd skippable": lambda data: zstd_skippable(zstandard.ZstdCompressor().compress(data)),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
REAL = [name for name in COMPRESS if name != "none"]


class Slow:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._stream = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._step))


@pytest.mark.parametrize("name", COMPRESS)
@pytest.mark.parametrize("step", [7, 1009, 1 << 20])
def test_content_comes_back_in_bounded_blocks(name: str, step: int) -> None:
    content = CONTENT[: 20_000 if step == 7 else None]
    blocks = list(decompressed(Slow(COMPRESS[name](content), step)))
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) <= BLOCK


@pytest.mark.parametrize("name", REAL)
def test_joined_streams(name: str) -> None:
    data = COMPRESS[name](b"one") + COMPRESS[name](b"") + COMPRESS[name](b"two" * 100_000)
    assert b"".join(decompressed(io.BytesIO(data))) == b"one" + b"two" * 100_000


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("cut", [1, 4, 9, 1000])
def test_a_cut_stream_is_noticed(name: str, cut: int) -> None:
    data = COMPRESS[name](CONTENT)[:-cut]
    with pytest.raises(InvalidArgument, match="cannot decompress"):
        list(decompressed(io.BytesIO(data)))


@pytest.mark.parametrize("name", [name for name in REAL if "zstd" not in name or "streamed" in name])
def test_a_damaged_stream_is_noticed(name: str) -> None:
    data = bytearray(COMPRESS[name](CONTENT))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(InvalidArgument, match="cannot decompress"):
        list(decompressed(io.BytesIO(bytes(data))))


@pytest.mark.parametrize("name", REAL)
def test_something_else_at_the_end_is_noticed(name: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot decompress"):
        list(decompressed(io.BytesIO(COMPRESS[name](b"x" * 5000) + b"garbage garbage")))


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2"])
def test_padding_with_zeros_is_none_of_it(name: str) -> None:
    assert b"".join(decompressed(io.BytesIO(COMPRESS[name](b"data") + bytes(2048)))) == b"data"


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_a_bomb_comes_in_bounded_blocks(name: str) -> None:
    data = COMPRESS[name](bytes(64 << 20))
    blocks = list(itertools.islice(decompressed(io.BytesIO(data)), 20))
    assert max(map(len, blocks)) <= BLOCK


def test_a_window_beyond_the_bound_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(os.urandom(1000)) + compressor.flush()
    with pytest.raises(InvalidArgument, match="zstd"):
        list(decompressed(io.BytesIO(data)))


def test_detection() -> None:
    for name, expected in zip(
        ("none", "gzip", "zstd", "xz", "bzip2", "zstd skippable"),
        (Compression.NONE, Compression.GZIP, Compression.ZSTD, Compression.XZ, Compression.BZIP2, Compression.ZSTD),
        strict=True,
    ):
        assert detect(COMPRESS[name](b"content")[:6]) is expected
    assert detect(b"") is Compression.NONE


def test_an_empty_stream_is_empty() -> None:
    assert list(decompressed(io.BytesIO(b""))) == []


def test_what_other_programs_write() -> None:
    for program in (["gzip", "-9"], ["xz", "-T2"], ["bzip2"]):
        data = subprocess.run([*program, "-c"], input=CONTENT, capture_output=True, check=True).stdout
        assert b"".join(decompressed(io.BytesIO(data))) == CONTENT
