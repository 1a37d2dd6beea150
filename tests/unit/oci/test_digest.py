from __future__ import annotations

import hashlib

import pytest

from estiba.errors import InvalidArgument
from estiba.oci import digest


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_known_algorithms(algorithm: str) -> None:
    text = f"{algorithm}:{hashlib.new(algorithm, b'x').hexdigest()}"
    assert digest.check(text) == text
    computed = digest.hasher(text)
    computed.update(b"x")
    assert computed.hexdigest() == digest.encoded(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "invalid checksum digest format"),
        ("sha256:" + "a" * 63, "invalid checksum digest length"),
        ("sha256:" + "A" * 64, "invalid checksum digest format"),
        ("sha256:../../../etc/passwd", "invalid checksum digest format"),
        ("md5:" + "a" * 32, "unsupported digest algorithm: md5"),
        ("sha256:" + "a" * 64 + "\n", "invalid checksum digest format"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        digest.check(text)
    assert not digest.is_digest(text)


def test_chain_ids() -> None:
    a, b, c = (digest.of(x) for x in (b"a", b"b", b"c"))
    ab = digest.of(f"{a} {b}".encode())
    assert digest.chain_ids([a, b, c]) == (a, ab, digest.of(f"{ab} {c}".encode()))
    assert digest.chain_ids([]) == ()
