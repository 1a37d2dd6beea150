"""Making a container from flags: the create request, pulling the image when it is missing, --cidfile, the engine's
warnings.
"""

from __future__ import annotations

import os

from estiba.cli import references, terminal
from estiba.cli.container_body import build, for_version
from estiba.cli.session import CommandError
from estiba.client.engine import version_key
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

USAGE_ERROR, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
_PULL_WORDS = ("always", "missing", "never", "")


def failed(session: Session, message: str, verb: str, code: int = USAGE_ERROR) -> CommandError:
    """An error of run or create, with the pointer to the help that Docker adds."""
    return CommandError(
        f"{session.program}: {message}\n\nRun '{session.program} {verb} --help' for more information", code
    )


def start_failure_code(message: str) -> int:
    """The exit code that tells what kept a program from starting (Docker's clients decide by the words too)."""
    if any(
        words in message
        for words in ("executable file not found", "no such file or directory", "system cannot find the file specified")
    ):
        return NOT_FOUND
    if "permission denied" in message or "is a directory" in message:
        return NOT_EXECUTABLE
    return USAGE_ERROR


def container_body(session: Session, options: Options, arguments: list[str], verb: str) -> dict[str, Any]:
    """The create body. Raises CommandError (125)."""
    pull = options.text("pull")
    if pull not in _PULL_WORDS:
        raise failed(session, f'invalid pull option: \'{pull}\': must be one of "always", "missing" or "never"', verb)
    try:
        body = build(options, arguments)
    except ValueError as error:
        raise failed(session, str(error), verb) from None
    except OSError as error:
        raise failed(session, f"open {error.filename}: {(error.strerror or '').lower()}", verb) from None
    body["Env"] = [*_proxies(session, options), *(body["Env"] or [])] or None
    return body


def _proxies(session: Session, options: Options) -> list[str]:
    """Proxy variables from the user's config.json, unless the command line sets them."""
    settings = session.config.get("proxies") or {}
    chosen = settings.get(session.host) or settings.get("default") or {}
    given = {variable.partition("=")[0] for variable in options.many("env")}
    found = []
    for key, variable in (
        ("httpProxy", "HTTP_PROXY"),
        ("httpsProxy", "HTTPS_PROXY"),
        ("noProxy", "NO_PROXY"),
        ("ftpProxy", "FTP_PROXY"),
        ("allProxy", "ALL_PROXY"),
    ):
        if chosen.get(key):
            found += [f"{name}={chosen[key]}" for name in (variable, variable.lower()) if name not in given]
    return found


class _IdFile:
    """--cidfile: made before the container (it must not exist), removed again if there is none after all."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> _IdFile:
        if self._path:
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                raise CommandError(
                    f"container ID file found, make sure the other container isn't running or delete {self._path}",
                    USAGE_ERROR,
                ) from None
            except OSError as error:
                reason = (error.strerror or "").lower()
                raise CommandError(
                    f"failed to create the container ID file: open {self._path}: {reason}", USAGE_ERROR
                ) from None
        return self

    def write(self, identity: str) -> None:
        if self._descriptor >= 0:
            os.write(self._descriptor, identity.encode())

    def __exit__(self, kind: object, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            if kind is not None:
                os.unlink(self._path)


def create(session: Session, options: Options, body: dict[str, Any]) -> str:
    """Create the container and return its id; warnings go to stderr.

    Raises:
        ResponseError, CommandError: nothing was created.
    """
    image = body["Image"]
    with _IdFile(options.text("cidfile")) as id_file:
        if not references.is_id(image):
            references.check(image)
        pull = options.text("pull")
        if pull == "always":
            _pull(session, options, image)
        for_version(body, version_key(session.client.version))
        body["HostConfig"]["ConsoleSize"] = list(terminal.size())
        query = {"name": options.text("name") or None, "platform": options.text("platform") or None}
        try:
            answer = session.client.post("/containers/create", query, body)
        except ResponseError as error:
            if error.status != 404 or pull != "missing" or references.is_id(image):
                raise
            if not options.on("quiet"):
                session.warn(f"Unable to find image '{references.familiar(references.complete(image))}' locally")
            _pull(session, options, image)
            answer = session.client.post("/containers/create", query, body)
        for warning in [*(answer.get("Warnings") or []), *_dns_warning(body)]:
            session.warn(f"WARNING: {warning}")
        id_file.write(answer["Id"])
    identity: str = answer["Id"]
    return identity


def _dns_warning(body: dict[str, Any]) -> list[str]:
    local = [address for address in body["HostConfig"]["Dns"] if address.startswith("127.") or address == "::1"]
    return [f"Localhost DNS ({local[0]}) may fail in containers."] if local else []


def _pull(session: Session, options: Options, image: str) -> None:
    from estiba.cli.pulling import pull

    pull(session, image, platform=options.text("platform"), quiet=options.on("quiet"), descriptor=2)
