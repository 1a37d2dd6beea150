"""The one error tree. Raised deep, translated once at the edge (api/http.py) into Docker's status and message.

    EstibaError
    ├── InvalidArgument     what was asked cannot be meant                            400
    ├── NotFound            no such object                                            404
    ├── Conflict            the object's state does not allow it                      409
    ├── NotModified         it already is so                                          304
    ├── Forbidden           the object may not be changed                             403
    ├── Unsupported         this engine cannot do it (yet)                            501
    ├── Unavailable         something that is needed is not there (space, a service)  503
    ├── SystemFailure       the machine refused or failed                             500
    │   └── StartFailed     a process could not be started; carries the exit code     400 or 500
    └── Cancelled           the caller gave up                                        499

A message is a sentence for people: it says what could not be done, to what, and what to do about it.
Where Docker's clients look for particular words, the message keeps Docker's wording.
"""

from __future__ import annotations


class EstibaError(Exception):
    """Base of every error that Estiba raises on purpose.

    Attributes:
        message: the sentence shown to people and sent to clients.
        status: the HTTP status with which the API answers.
    """

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(EstibaError):
    """What was asked for cannot be meant: a bad value, an impossible combination."""

    status = 400


class NotFound(EstibaError):
    """There is no such object."""

    status = 404


class Conflict(EstibaError):
    """The state of the object, or another object, does not allow it."""

    status = 409


class NotModified(EstibaError):
    """The object already is as asked (start of a running container)."""

    status = 304


class Forbidden(EstibaError):
    """The object may not be changed."""

    status = 403


class Unsupported(EstibaError):
    """This engine cannot do it; the message says why or since when it will."""

    status = 501


class Unavailable(EstibaError):
    """Something that is needed is missing at the moment: disk space, a service, a held root directory."""

    status = 503


class SystemFailure(EstibaError):
    """The machine refused: an OSError with the operation and path it belongs to."""

    status = 500


class StartFailed(SystemFailure):
    """A container's or exec's process could not be started.

    Attributes:
        exit_code: what the container's State.ExitCode becomes: 126, 127 or 128.
    """

    def __init__(self, message: str, *, exit_code: int, status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.status = status


class Cancelled(EstibaError):
    """The caller gave up waiting; what was half-done has been undone."""

    status = 499
