"""The settings of `estiba serve`: one table gives each its flag, environment variable, key in the file, and default.

Precedence: flag, environment, file (TOML), default.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_FILE = "/etc/estiba/estiba.toml"
FILE_VARIABLE = "ESTIBA_CONFIG"


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the table. A setting with a tuple as default may be given several times."""

    name: str
    flags: tuple[str, ...]
    variable: str
    key: str
    default: str | tuple[str, ...]
    help: str
    metavar: str = "DIR"


TABLE = (
    Setting(
        "root", ("--root",), "ESTIBA_ROOT", "root", "/var/lib/estiba", "where images, containers and volumes are kept"
    ),
    Setting("run_dir", ("--run-dir",), "ESTIBA_RUN_DIR", "run-dir", "/run/estiba", "directory for what a reboot ends"),
    Setting(
        "hosts",
        ("-H", "--host"),
        "ESTIBA_HOST",
        "hosts",
        (),
        "address to listen on, unix://PATH; may be repeated (default: unix:///run/estiba.sock for the default root, "
        "estiba.sock in the run directory for another)",
        "ADDRESS",
    ),
    Setting("group", ("--group",), "ESTIBA_GROUP", "group", "docker", "group that may use the sockets", "NAME"),
    Setting(
        "log_level", ("--log-level",), "ESTIBA_LOG_LEVEL", "log-level", "info", "debug, info, warning or error", "LEVEL"
    ),
)
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """How an engine is served. hosts is empty where the default socket is meant."""

    root: Path
    run_dir: Path
    hosts: tuple[str, ...]
    group: str
    log_level: str


def make_parser() -> argparse.ArgumentParser:
    """The parser of `estiba serve`. --ready-fd is for who starts it in the background."""
    parser = argparse.ArgumentParser("estiba serve", description="Run the engine and serve the Docker API.")
    for setting in TABLE:
        action = "append" if isinstance(setting.default, tuple) else "store"
        default = f" (default {setting.default})" if setting.default and isinstance(setting.default, str) else ""
        text = f"{setting.help}{default} [{setting.variable}]"
        parser.add_argument(*setting.flags, dest=setting.name, action=action, metavar=setting.metavar, help=text)
    parser.add_argument("--config", metavar="FILE", help=f"settings file (default {DEFAULT_FILE}) [{FILE_VARIABLE}]")
    parser.add_argument("--ready-fd", type=int, default=-1, help=argparse.SUPPRESS)
    return parser


def load(arguments: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings from all sources. Raises InvalidArgument, naming the source of what is wrong."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {setting.name: setting.default for setting in TABLE}
    values |= _from_file(arguments.config or environment.get(FILE_VARIABLE, ""))
    for setting in TABLE:
        if text := environment.get(setting.variable):
            values[setting.name] = tuple(text.split(",")) if isinstance(setting.default, tuple) else text
        if (given := getattr(arguments, setting.name)) is not None:
            values[setting.name] = tuple(given) if isinstance(setting.default, tuple) else given
    if values["log_level"] not in _LEVELS:
        raise InvalidArgument(f"invalid log level {values['log_level']!r}: it is one of {', '.join(_LEVELS)}")
    return Settings(
        root=Path(values["root"]),
        run_dir=Path(values["run_dir"]),
        hosts=tuple(values["hosts"]),
        group=values["group"],
        log_level=values["log_level"],
    )


def _from_file(path: str) -> dict[str, Any]:
    """The settings of a TOML file, by name; {} when the default file does not exist."""
    import tomllib

    try:
        with open(path or DEFAULT_FILE, "rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        if not path:
            return {}
        raise InvalidArgument(f"cannot read the settings file {path}: it does not exist") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"cannot read the settings file {path or DEFAULT_FILE}: {error}") from None
    by_key = {setting.key: setting for setting in TABLE}
    values: dict[str, Any] = {}
    for key, value in found.items():
        setting = by_key.get(key)
        if setting is None:
            known = ", ".join(sorted(by_key))
            raise InvalidArgument(f"unknown setting {key!r} in {path or DEFAULT_FILE}: there are {known}")
        values[setting.name] = _checked(setting, value, path or DEFAULT_FILE)
    return values


def _checked(setting: Setting, value: object, path: str) -> str | tuple[str, ...]:
    if isinstance(setting.default, str):
        if isinstance(value, str):
            return value
        raise InvalidArgument(f"setting {setting.key!r} in {path} must be a string")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise InvalidArgument(f"setting {setting.key!r} in {path} must be a list of strings")


def parse(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[Settings, int]:
    """(settings, descriptor to report readiness on or -1) of a command line."""
    arguments = make_parser().parse_args(argv)
    return load(arguments, environment), arguments.ready_fd
