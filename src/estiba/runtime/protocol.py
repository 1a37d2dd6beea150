"""The shim's messages and the request of its logs role, byte for byte; native/README.md and protocol.h say the same."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

VERSION: Final = 1
PAYLOAD_SIZE: Final = 4064
KEYS_SIZE: Final = 32
NEVER: Final = (1 << 64) - 1
# A shim answers within a millisecond; one that doesn't for so long was stopped.
ANSWER_SECONDS: Final = 10

_HEAD: Final = struct.Struct("<HHIQQQ")
_LOGS_REQUEST: Final = struct.Struct("<IIqqqQQII")
_LOGS_VERSION: Final = 1
MESSAGE_SIZE: Final = _HEAD.size + PAYLOAD_SIZE

# Descriptor numbers of the roles run and exec, and of logs.
FD_PLAN: Final = 3
FD_CONTROL: Final = 4
FD_LISTENER: Final = 5
FD_RUN_DIRECTORY: Final = 6
FD_LOG_DIRECTORY: Final = 7
FD_PLANNED: Final = 8
FD_LOGS_REQUEST: Final = 3
FD_LOGS_CLIENT: Final = 4
FD_LOGS_DIRECTORY: Final = 5


class Type(enum.IntEnum):
    """Kinds of messages: requests below 32, answers below 64, then events."""

    HELLO = 1
    START = 2
    STATE = 3
    SIGNAL = 4
    STOP = 5
    RESIZE = 6
    ATTACH = 7
    RELEASE = 8
    CLOSE_STDIN = 9
    LOG_ROTATION = 10
    DONE = 32
    STARTED = 33
    FAILED = 34
    ATTACHED = 35
    OOM = 64
    DETACHED = 65
    LOG_STALLED = 66
    LOG_RESUMED = 67
    EXITED = 68


FIRST_EVENT: Final = Type.OOM


class Attach(enum.IntFlag):
    """Flags of ATTACH."""

    STDIN = 1
    STDOUT = 2
    STDERR = 4
    FRAMED = 8
    KEYS = 16
    HELD = 32


class Logs(enum.IntFlag):
    """Flags of a logs request."""

    STDOUT = 1
    STDERR = 2
    FOLLOW = 4
    TIMESTAMPS = 8
    FRAMED = 16
    CHUNKED = 32
    DETAILS = 64


class Message(NamedTuple):
    """One message; a, b, c mean what native/README.md says for its type."""

    type: int
    id: int = 0
    a: int = 0
    b: int = 0
    c: int = 0
    flags: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes of the message. Raises ValueError when the payload is too long."""
        if len(self.payload) > PAYLOAD_SIZE:
            raise ValueError(f"a message carries at most {PAYLOAD_SIZE} bytes, not {len(self.payload)}")
        return _HEAD.pack(self.type, self.flags, self.id, self.a, self.b, self.c) + self.payload


def decode(data: bytes) -> Message:
    """The message in these bytes; raises ValueError if there is none."""
    if len(data) < _HEAD.size:
        raise ValueError(f"a message has at least {_HEAD.size} bytes, not {len(data)}")
    kind, flags, number, a, b, c = _HEAD.unpack_from(data)
    return Message(kind, number, a, b, c, flags, data[_HEAD.size :])


@dataclass(frozen=True)
class LogsRequest:
    """What the logs role copies: times in ns since the epoch (0: no limit), tail -1: all; end (0, 0): no end."""

    name: str
    flags: Logs
    since_ns: int = 0
    until_ns: int = 0
    tail: int = -1
    end: tuple[int, int] = (0, 0)
    details: bytes = b""

    def encode(self) -> bytes:
        """The content of the role's request file."""
        name = self.name.encode()
        head = _LOGS_REQUEST.pack(
            _LOGS_VERSION,
            self.flags,
            self.since_ns,
            self.until_ns,
            self.tail,
            *self.end,
            len(name),
            len(self.details),
        )
        return head + name + self.details
