"""The `--change` instructions of import and commit: Dockerfile lines that change what a container starts with.

Same instructions, results and refusals as Docker 28's (measured); shapes in the Dockerfile reference.
"""

from __future__ import annotations

import posixpath
import re
import signal
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from estiba.errors import InvalidArgument
from estiba.images.durations import parse_duration
from estiba.images.words import expand, split_words
from estiba.oci.image import Defaults, Healthcheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Change: TypeAlias = Callable[[Defaults, str], dict[str, object]]

_SHELL = ["/bin/sh", "-c"]
_LEGACY_PAIR = re.compile(r"(\S+)\s+(.*)", re.DOTALL)
_LEAST_DURATION = 1_000_000


def apply_changes(defaults: Defaults, changes: Iterable[str]) -> Defaults:
    """The defaults with every instruction applied in order; several may stand in one text, a line each.

    Raises:
        InvalidArgument: in Docker's words.
    """
    texts = list(changes)
    if not texts:
        return defaults
    instructions = [line.partition(" ")[::2] for line in _lines("\n".join(texts))]
    for word, _ in instructions:
        if word.upper() not in _CHANGES:
            raise InvalidArgument(f"{word} is not a valid change command")
    command_set = False
    for word, rest in instructions:
        name = word.upper()
        try:
            values = _CHANGES[name](defaults, rest.strip())
        except RecursionError:
            raise InvalidArgument(f"cannot apply the change {word}: its substitutions are nested too deeply") from None
        command_set = command_set or name == "CMD"
        if name == "ENTRYPOINT" and not command_set:
            values["cmd"] = None  # the image's command was meant for its own entrypoint
        defaults = msgspec.structs.replace(defaults, **values)
    return defaults


def _lines(text: str) -> Iterable[str]:
    """Instructions: comments and empty lines left out, continued lines joined."""
    found, line = 0, ""
    for raw in text.splitlines():
        stripped = raw.strip()
        if stripped.startswith("#") or (not stripped and not line):
            continue
        if stripped.endswith("\\"):
            line += stripped[:-1]
            continue
        line += stripped
        found += 1
        yield re.sub(r"\s", " ", line, count=1)
        line = ""
    if line.strip():
        found += 1
        yield line
    if not found:
        raise InvalidArgument("file with no instructions")


def environment(defaults: Defaults) -> dict[str, str]:
    """The variables that `$NAME` means."""
    return {name: value for name, _, value in (variable.partition("=") for variable in defaults.env or [])}


def set_variable(env: list[str] | None, name: str, value: str) -> list[str]:
    """The list with NAME=value in its old place, or at the end."""
    new = list(env or [])
    for index, variable in enumerate(new):
        if variable.partition("=")[0] == name:
            new[index] = f"{name}={value}"
            return new
    return [*new, f"{name}={value}"]


def _json_list(text: str) -> list[str] | None:
    """The strings of a JSON array, None when it is no array at all (then it is a shell's line)."""
    if not text.startswith("["):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, str) for item in value):
        raise InvalidArgument("when using JSON array syntax, arrays must be comprised of strings only")
    return value


def _command(defaults: Defaults, text: str) -> list[str]:
    words = _json_list(text)
    if words is not None:
        return words
    return [*(defaults.shell or _SHELL), *([text] if text else [])]


def _cmd(defaults: Defaults, text: str) -> dict[str, object]:
    return {"cmd": _command(defaults, text)}


def _entrypoint(defaults: Defaults, text: str) -> dict[str, object]:
    return {"entrypoint": _command(defaults, text) if text and _json_list(text) != [] else None}


def _pairs(instruction: str, text: str) -> list[tuple[str, str]]:
    """name=value words, or one name, a blank, and the rest of the line; quotes are still there."""
    words = split_words(text)
    if not words:
        raise InvalidArgument(f"{instruction} requires at least one argument")
    if "=" not in words[0]:
        match = _LEGACY_PAIR.fullmatch(text)
        if match is None:
            raise InvalidArgument(f"{instruction} must have two arguments")
        return [(match.group(1), match.group(2))]
    for word in words:
        if "=" not in word:
            raise InvalidArgument(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


def _expanded_pairs(instruction: str, text: str, env: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = [(expand(name, env), expand(value, env)) for name, value in _pairs(instruction, text)]
    if any(not name for name, _ in pairs):
        raise InvalidArgument(f"{instruction} names can not be blank")
    return pairs


def _env(defaults: Defaults, text: str) -> dict[str, object]:
    env = defaults.env
    for name, value in _expanded_pairs("ENV", text, environment(defaults)):
        env = set_variable(env, name, value)
    return {"env": env}


def _label(defaults: Defaults, text: str) -> dict[str, object]:
    return {"labels": {**(defaults.labels or {}), **dict(_expanded_pairs("LABEL", text, environment(defaults)))}}


def _expose(defaults: Defaults, text: str) -> dict[str, object]:
    words = [word for raw in split_words(text) for word in expand(raw, environment(defaults)).split()]
    if not words:
        raise InvalidArgument("EXPOSE requires at least one argument")
    ports = dict(defaults.exposed_ports or {})
    for word in words:
        ports.update({port: {} for port in _ports(word)})
    return {"exposed_ports": ports}


def _ports(text: str) -> list[str]:
    """[[ip:]host:]port[-last][/protocol] as "port/protocol" each."""
    numbers, _, protocol = text.partition("/")
    container = numbers.rpartition(":")[2]
    protocol = (protocol or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidArgument(f"Invalid proto: {protocol}")
    first, dash, last = container.partition("-")
    try:
        start, end = int(first), int(last) if dash else int(first)
    except ValueError:
        raise InvalidArgument(f"Invalid containerPort: {container}") from None
    if not 0 <= start <= end <= 65535:
        raise InvalidArgument(f"Invalid containerPort: {container}")
    return [f"{port}/{protocol}" for port in range(start, end + 1)]


def _onbuild(defaults: Defaults, text: str) -> dict[str, object]:
    if not text:
        raise InvalidArgument("ONBUILD requires at least one argument")
    trigger = text.split(maxsplit=1)[0].upper()
    if trigger == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise InvalidArgument(f"{trigger} isn't allowed as an ONBUILD trigger")
    return {"on_build": [*(defaults.on_build or []), text]}


def _one(instruction: str, defaults: Defaults, text: str) -> str:
    if not text:
        raise InvalidArgument(f"{instruction} requires exactly one argument")
    return expand(text, environment(defaults))


def _user(defaults: Defaults, text: str) -> dict[str, object]:
    return {"user": _one("USER", defaults, text)}


def _workdir(defaults: Defaults, text: str) -> dict[str, object]:
    path = _one("WORKDIR", defaults, text)
    joined = posixpath.normpath(posixpath.join("/", defaults.working_dir, path))
    return {"working_dir": "/" + joined.lstrip("/")}


def _stopsignal(defaults: Defaults, text: str) -> dict[str, object]:
    value = _one("STOPSIGNAL", defaults, text)
    if not is_signal(value):
        raise InvalidArgument(f"invalid signal: {value}")
    return {"stop_signal": value}


def is_signal(text: str) -> bool:
    """Whether it names a signal: a number above 0, KILL, SIGKILL or RTMIN+3, in any case."""
    if text.isascii() and text.isdigit():
        return text.strip("0") != ""
    name = text.upper().removeprefix("SIG")
    real_time = re.fullmatch(r"RTM(IN\+|AX-)(\d{1,2})", name)
    if real_time:
        return int(real_time.group(2)) <= signal.SIGRTMAX - signal.SIGRTMIN
    return f"SIG{name}" in signal.Signals.__members__


def _volume(defaults: Defaults, text: str) -> dict[str, object]:
    words = _json_list(text)
    paths = [expand(word, environment(defaults)) for word in (text.split() if words is None else words)]
    if not paths:
        raise InvalidArgument("VOLUME requires at least one argument")
    if not all(path.strip() for path in paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return {"volumes": {**(defaults.volumes or {}), **{path.strip(): {} for path in paths}}}


def _healthcheck(_defaults: Defaults, text: str) -> dict[str, object]:
    flags: dict[str, str] = {}
    while text.startswith("--"):
        flag, _, text = text.partition(" ")
        name, _, value = flag[2:].partition("=")
        if name not in ("interval", "timeout", "start-period", "start-interval", "retries"):
            raise InvalidArgument(f"unknown flag: --{name}")
        flags[name] = value
        text = text.lstrip()
    kind, _, rest = text.partition(" ")
    rest = rest.strip()
    if not kind:
        raise InvalidArgument("HEALTHCHECK requires at least one argument")
    if kind.upper() == "NONE":
        if rest:
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        return {"healthcheck": Healthcheck(test=["NONE"])}
    if kind.upper() != "CMD":
        raise InvalidArgument(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    if not rest:
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    words = _json_list(rest)
    test = ["CMD-SHELL", rest] if words is None else ["CMD", *words]
    return {"healthcheck": Healthcheck(test=test, retries=_retries(flags), **_intervals(flags))}


def _intervals(flags: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for name, text in flags.items():
        if name == "retries" or not text:
            continue
        found[name.replace("-", "_")] = duration = parse_duration(text)
        if duration != 0 and duration < _LEAST_DURATION:
            raise InvalidArgument(f'Interval "{name}" cannot be less than 1ms')
    return found


def _retries(flags: Mapping[str, str]) -> int:
    text = flags.get("retries", "")
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise InvalidArgument(f"--retries cannot be negative ({int(text)})")
    return int(text)


_CHANGES: dict[str, Change] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
