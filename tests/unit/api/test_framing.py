"""Where bodies end, however their bytes are cut."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estiba.api.framing import Chunked, Framing, Sized, framing
from estiba.errors import InvalidArgument


def _feed(body: Framing, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """(content, what follows)."""
    content, rest = b"", b""
    for piece in pieces:
        if body.ended:
            rest += piece
        else:
            content += body.feed(piece)
            rest = body.rest
    return content, rest


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if end > begin]


def _chunked(parts: list[bytes], extension: bytes, trailers: bytes) -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    return chunks + b"0\r\n" + trailers + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=40), max_size=6),
    extension=st.sampled_from([b"", b" ", b";a=b", b" ;x"]),
    trailers=st.sampled_from([b"", b"Digest: 1\r\n", b"A: b\r\nC: d\r\n"]),
    following=st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"\r\n"]),
    places=st.lists(st.integers(0, 300), max_size=12),
)
def test_chunks_cut_anywhere(
    parts: list[bytes], extension: bytes, trailers: bytes, following: bytes, places: list[int]
) -> None:
    body = Chunked()
    data = _chunked(parts, extension, trailers) + following
    assert _feed(body, _cut(data, places)) == (b"".join(parts), following)
    assert body.ended


@given(content=st.binary(max_size=60), following=st.binary(max_size=9), places=st.lists(st.integers(0, 70), max_size=5))
def test_sizes_cut_anywhere(content: bytes, following: bytes, places: list[int]) -> None:
    body = Sized(len(content))
    assert _feed(body, _cut(content + following, places)) == (content, following)
    assert body.ended


@settings(max_examples=300, deadline=None)
@given(data=st.text("0123afAF;\r\n x", max_size=24).map(str.encode))
def test_no_more_lenient_than_h11(data: bytes) -> None:
    """What h11 refuses is refused, or waited for, here too; where both read a body they read the same."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(b"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    parser.next_event()
    theirs: bytes | None = b""
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            theirs = None
            break
        if isinstance(event, h11.Data):
            theirs = (theirs or b"") + event.data
        else:
            complete = isinstance(event, h11.EndOfMessage)
            break
    body = Chunked()
    try:
        ours = body.feed(data)
    except InvalidArgument:
        return
    if theirs is None:
        assert not body.ended
    elif complete:
        assert (ours, body.ended) == (theirs, True)


@pytest.mark.parametrize(
    "bad", [b"x\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1\n", b"1\r\nab\r\n", b"1\r\na1\r\n", b"1" * 16 + b"\r\n"]
)
def test_malformed(bad: bytes) -> None:
    with pytest.raises(InvalidArgument, match="unexpected EOF"):
        Chunked().feed(bad)


def test_endless_lines() -> None:
    with pytest.raises(InvalidArgument):
        Chunked().feed(b"1;" + b"a" * 10_000)
    body = Chunked()
    body.feed(b"0\r\n")
    with pytest.raises(InvalidArgument):
        body.feed(b"A: " + b"b" * 100_000)


def test_what_headers_announce() -> None:
    assert isinstance(framing({b"transfer-encoding": b"chunked", b"content-length": b"3"}), Chunked)
    assert framing({}).ended
    body = framing({b"content-length": b"3"})
    assert (body.feed(b"abcd"), body.ended, body.rest) == (b"abc", True, b"d")
