from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.errors import InvalidArgument, NotFound
from estiba.images.blobs import BlobStore
from estiba.images.pins import Hold, Pins
from estiba.oci import digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


@pytest.fixture
def hold() -> Hold:
    return Hold(Pins())


def test_a_blob_appears_whole_under_its_digest(blobs: BlobStore, hold: Hold, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer.write(b"one ")
        writer.write(memoryview(b"two"))
        assert list(blobs.list()) == []
        blob = writer.commit()
    assert blob.digest == digest.of(b"one two")
    assert (blob.size, blobs.size(blob.digest)) == (7, 7)
    assert blobs.read(blob.digest, 100) == b"one two"
    assert blobs.path(blob.digest) == tmp_path / "images/blobs/sha256" / digest.encoded(blob.digest)
    assert os.listdir(tmp_path / "tmp") == []
    assert blobs.add(b"one two", hold) == blob
    assert list(blobs.list()) == [blob.digest]
    assert blobs.remove([blob.digest, digest.of(b"x")]) == 7
    assert list(blobs.list()) == []


def test_a_wrong_digest_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot store the layer: its digest is .* as expected"):
        with blobs.writer("the layer") as writer:
            writer.write(b"x")
            writer.commit(digest.of(b"y"))
    assert list(blobs.list()) == []
    assert os.listdir(tmp_path / "tmp") == []


def test_a_writer_without_commit_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), blobs.writer() as writer:
        writer.write(b"x")
        raise ZeroDivisionError
    assert os.listdir(tmp_path / "tmp") == []


def test_hashing_later(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.stop_hashing()
        writer.write(b"x" * 100)
        assert writer.digest() == digest.of(b"x" * 100)
        assert writer.commit(digest.of(b"x" * 100)).size == 100


def test_what_is_missing_or_too_large(blobs: BlobStore, hold: Hold) -> None:
    missing = digest.of(b"missing")
    for read in (blobs.size, blobs.open, lambda d: blobs.read(d, 10)):
        with pytest.raises(NotFound, match=f"blob {missing} is missing"):
            read(missing)
    blob = blobs.add(b"x" * 11, hold)
    with pytest.raises(InvalidArgument, match="larger than 10 bytes"):
        blobs.read(blob.digest, 10)


@pytest.mark.parametrize("bad", ["sha256:../../x", "x", "sha512:" + "a" * 128])
def test_only_sha256(blobs: BlobStore, bad: str) -> None:
    with pytest.raises(InvalidArgument):
        blobs.path(bad)
