"""Digests: `sha256:` and 64 lower-case hexadecimal digits (image-spec, descriptor.md#digests); strings once checked."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from hashlib import _Hash

_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_HEX = re.compile(r"[a-f0-9]+")


def check(text: str) -> str:
    """Return `text`, a digest of a known algorithm.

    Raises:
        InvalidArgument: it is no digest, or of an algorithm that nothing here can compute.
    """
    if not _DIGEST.fullmatch(text):
        raise InvalidArgument(f"invalid checksum digest format: {text!r}")
    algorithm, encoded = text.split(":", 1)
    length = _LENGTHS.get(algorithm)
    if length is None:
        raise InvalidArgument(f"unsupported digest algorithm: {algorithm}")
    if len(encoded) != length:
        raise InvalidArgument(f"invalid checksum digest length: {text!r}")
    if not _HEX.fullmatch(encoded):
        raise InvalidArgument(f"invalid checksum digest format: {text!r}")
    return text


def is_digest(text: str) -> bool:
    """Whether check() accepts it."""
    try:
        check(text)
    except InvalidArgument:
        return False
    return True


def of(data: bytes | memoryview) -> str:
    """The sha256 digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hasher(digest: str = "sha256:") -> _Hash:
    """A new hash object of the digest's algorithm."""
    return hashlib.new(digest.partition(":")[0], usedforsecurity=True)


def encoded(digest: str) -> str:
    """The part behind the algorithm."""
    return digest.partition(":")[2]


def chain_ids(diff_ids: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The chain id of every layer, bottom first (image-spec, config.md#layer-chainid)."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)
