"""Help and usage texts in Docker's layout. Loaded only when one is shown."""

from __future__ import annotations

import os

from estiba.cli.registry import COMMON, GROUPS, TOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Command, Flag, UsageError


def usage_text(error: UsageError, program: str) -> str:
    """What to print for a command line that was not understood."""
    message = error.message.replace("{program}", program)
    command = error.command
    if command is None:
        return message
    if error.code == 1:
        message = f"{program}: {message}"
    called = f"{program} {command.name}".strip()
    return f"{message}\n\nUsage:  {_usage(command, program)}\n\nRun '{called} --help' for more information"


def command_help(command: Command, program: str) -> str:
    """The text of ``estiba COMMAND --help``."""
    parts = [f"Usage:  {_usage(command, program)}", command.short]
    if command.notes:
        parts.append(command.notes)
    flags = [flag for flag in command.flags if not flag.hidden]
    if flags:
        parts.append("Options:\n" + flag_table(flags))
    return "\n\n".join(part for part in parts if part)


def _usage(command: Command, program: str) -> str:
    called = f"{program} {command.name}".strip()
    return "\n\t".join(f"{called} {line}".rstrip() for line in command.usage.split("\n"))


def flag_table(flags: list[Flag]) -> str:
    """One entry per flag, sorted, the texts in a column and wrapped to the terminal."""
    width = _columns()
    heads = {flag.name: _head(flag) for flag in flags}
    column = max(len(head) for head in heads.values()) + 3
    lines: list[str] = []
    for flag in sorted(flags, key=lambda each: each.name):
        wrapped = _wrap(_text(flag), max(width - column, 24))
        lines.append((heads[flag.name].ljust(column) + wrapped[0]).rstrip())
        lines += [" " * column + line for line in wrapped[1:]]
    return "\n".join(lines)


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"  {short}--{flag.name} {flag.kind.name}".rstrip()


def _text(flag: Flag) -> str:
    default = flag.default
    if default in (None, "", 0, False, []):
        return flag.help
    if default is True:
        return f"{flag.help} (default true)"
    return f'{flag.help} (default "{default}")' if isinstance(default, str) else f"{flag.help} (default {default})"


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 80


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _commands(entries: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {name:<11} {text}" for name, text in entries)


def program_help(program: str) -> str:
    """The text of ``estiba`` alone."""
    from estiba.cli.globals import FLAGS

    common = [(name, TOP[name][1]) for name in COMMON]
    others = sorted((name, entry[1]) for name, entry in TOP.items() if name not in COMMON)
    groups = [(name, GROUPS[name][0]) for name in sorted(GROUPS)]
    return "\n\n".join(
        (
            f"Usage:  {program} [OPTIONS] COMMAND",
            "Containers from Docker's images on this machine, with Docker's verbs",
            "Common Commands:\n" + _commands(common),
            "Management Commands:\n" + _commands(groups),
            "Commands:\n" + _commands(others),
            "Global Options:\n" + flag_table(list(FLAGS)),
            f"Run '{program} COMMAND --help' for more information on a command.",
        )
    )


def group_help(program: str, group: str) -> str:
    """The text of ``estiba container`` alone."""
    text, table = GROUPS[group]
    entries = sorted((name, entry[1]) for name, entry in table.items())
    return "\n\n".join(
        (
            f"Usage:  {program} {group} COMMAND",
            text,
            "Commands:\n" + _commands(entries),
            f"Run '{program} {group} COMMAND --help' for more information on a command.",
        )
    )


# Docker's verbs that are not here
_DOCKERS_OWN = (
    "build",
    "buildx",
    "builder",
    "compose",
    "context",
    "login",
    "logout",
    "manifest",
    "plugin",
    "search",
    "swarm",
)


def similar(name: str) -> str:
    """A hint for a command that is not known: ``Did you mean …?``, or who has it; or nothing."""
    from difflib import get_close_matches

    from estiba.cli.session import default_host

    if name in _DOCKERS_OWN:
        return f"Estiba has no '{name}' of its own. Docker's command talks to it: docker -H {default_host()} {name}\n\n"
    group, _, word = name.rpartition(" ")
    known = list(GROUPS[group][1]) if group in GROUPS else [*TOP, *GROUPS]
    near = get_close_matches(word, known, 1, 0.7)
    return f"Did you mean '{near[0]}'?\n\n" if near else ""
