"""Files of KEY=VALUE lines: --env-file and --label-file."""

from __future__ import annotations

import os

_LONGEST = 64 * 1024


def read_pairs(paths: list[str], *, environment: bool) -> list[str]:
    """The lines of all files as ``KEY=VALUE``; comments and empty lines are left out.

    Args:
        environment: a KEY alone takes the caller's value (nothing, if there is none); else it is left out.

    Raises:
        OSError: a file cannot be read.
        ValueError: a line is none of these; Docker's wording.
    """
    found: list[str] = []
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        try:
            found += _pairs(data, environment)
        except ValueError as error:
            raise ValueError(f"invalid env file ({path}): {error}") from None
    return found


def _pairs(data: bytes, environment: bool) -> list[str]:
    found = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(raw) >= _LONGEST:
            raise ValueError("bufio.Scanner: token too long")
        try:
            line = raw.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise ValueError(f"invalid utf8 bytes at line {number}: [{' '.join(str(byte) for byte in raw)}]") from None
        if not line or line.startswith("#"):
            continue
        key, equals, _ = line.partition("=")
        if not key:
            raise ValueError(f"no variable name on line '{line}'")
        if " " in key or "\t" in key:
            raise ValueError(f"variable '{key}' contains whitespaces")
        if equals:
            found.append(line)
        elif environment and line in os.environ:
            found.append(f"{line}={os.environ[line]}")
    return found
