from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.errors import InvalidArgument
from estiba.runtime import protocol
from estiba.runtime.monitor import Attachment
from estiba.runtime.protocol import Attach, Logs, LogsRequest, Message, Type

HEADER = Path(__file__).parents[3] / "native" / "protocol.h"
U64 = st.integers(0, 2**64 - 1)


def constants(prefix: str) -> dict[str, int]:
    pairs = re.findall(rf"\b{prefix}_(\w+) = (\d+)", HEADER.read_text())
    return {name: int(value) for name, value in pairs}


@given(
    st.builds(
        Message,
        type=st.integers(0, 2**16 - 1),
        id=st.integers(0, 2**32 - 1),
        a=U64,
        b=U64,
        c=U64,
        flags=st.integers(0, 2**16 - 1),
        payload=st.binary(max_size=300),
    )
)
def test_a_message_survives_its_encoding(message: Message) -> None:
    assert protocol.decode(message.encode()) == message


def test_a_message_is_32_bytes_and_its_payload() -> None:
    assert len(Message(Type.STATE).encode()) == 32
    assert Message(Type.SIGNAL, 7, a=9).encode()[:24].hex() == "04000000070000000900000000000000" + "00" * 8
    with pytest.raises(ValueError, match="at most 4064"):
        Message(Type.ATTACH, payload=bytes(4065)).encode()
    with pytest.raises(ValueError, match="at least 32"):
        protocol.decode(bytes(31))


def test_the_numbers_are_those_of_the_header() -> None:
    messages = constants("MESSAGE")
    del messages["PAYLOAD"]
    assert messages == {kind.name: kind.value for kind in Type}
    attach = constants("ATTACH")
    assert attach.pop("ALL") == sum(attach.values())
    assert attach == {flag.name: flag.value for flag in Attach}
    logs = constants("LOGS")
    assert logs.pop("VERSION") == 1
    assert logs == {flag.name: flag.value for flag in Logs}
    numbers = constants("FD")
    assert numbers.pop("LOGS_COUNT") == max(v for k, v in numbers.items() if k.startswith("LOGS_")) + 1
    assert numbers == {k.removeprefix("FD_"): getattr(protocol, k) for k in vars(protocol) if k.startswith("FD_")}


def test_a_logs_request_is_its_head_the_name_and_the_details() -> None:
    request = LogsRequest("x.log", Logs.STDOUT | Logs.FOLLOW, 1, 2, 3, (4, 5), b"k=v ").encode()
    assert len(request) == 56 + 5 + 4
    assert request.endswith(b"x.logk=v ")


def test_an_attachment_says_what_it_wants() -> None:
    message = Attachment(9, True, False, True, True, b"\x10\x11", b"first").request(4)
    assert message.flags == Attach.STDIN | Attach.STDERR | Attach.FRAMED | Attach.KEYS
    assert (message.id, message.b, message.payload) == (4, 2, b"\x10\x11first")


def test_an_attachment_with_too_much_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="detach keys of 33 bytes"):
        Attachment(9, True, True, True, True, bytes(33)).request(1)
    with pytest.raises(InvalidArgument, match="5000 bytes of stdin"):
        Attachment(9, True, True, True, True, None, bytes(5000)).request(1)
