"""``estiba completion``: a shell's completion script, made by shtab from the flag tables; names of objects are asked
for at the TAB.

bash:  source <(estiba completion bash)
zsh:   estiba completion zsh > "${fpath[1]}/_estiba"
fish:  estiba completion fish > ~/.config/fish/completions/estiba.fish
"""

from __future__ import annotations

import argparse

from estiba.cli.flags import BOOL, Command
from estiba.cli.registry import GROUPS, TOP
from estiba.cli.session import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Flag, Options
    from estiba.cli.registry import Table
    from estiba.cli.session import Session

SHELLS = ("bash", "zsh", "fish")
COMMAND = Command("bash|zsh|fish", "Print a shell's completion script", least=1, most=1)

# what the words of a usage line stand for: the command that lists them
_LISTS = {
    "CONTAINER": "ps -a --format '{{.Names}}'",
    "IMAGE": "images --format '{{.Repository}}:{{.Tag}}'",
    "VOLUME": "volume ls -q",
    "NETWORK": "network ls --format '{{.Name}}'",
}


def run(session: Session, _options: Options, arguments: list[str]) -> int:
    shell = arguments[0]
    if shell not in SHELLS:
        raise CommandError(f"cannot complete for {shell!r}: choose {', '.join(SHELLS)}")
    try:
        import shtab
    except ImportError:
        raise CommandError(
            "cannot write completion scripts: the package shtab is missing (pip install shtab)"
        ) from None
    preamble: Any = _preamble(session.program)  # one for each shell; its annotation says str
    session.print(shtab.complete(build_parser(session.program), shell=shell, preamble=preamble))
    return 0


def build_parser(program: str) -> argparse.ArgumentParser:
    """All commands as argparse knows them: good enough to complete, not used to parse."""
    from estiba.cli.globals import FLAGS

    parser = argparse.ArgumentParser(prog=program)
    _add_flags(parser, FLAGS)
    commands = parser.add_subparsers()
    _add_commands(commands, TOP)
    for group, (text, table) in GROUPS.items():
        inner = commands.add_parser(group, help=_plain(text)).add_subparsers()
        _add_commands(inner, table)
    return parser


def _add_commands(commands: Any, table: Table) -> None:
    from importlib import import_module

    for name, (module, text) in table.items():
        command: Command = import_module(f"estiba.cli.commands.{module}").COMMAND
        parser = commands.add_parser(
            name, help=_plain(text), add_help=not any(flag.short == "h" for flag in command.flags)
        )
        _add_flags(parser, command.flags)
        words = command.usage.replace("[", " ").replace("|", " ").split()
        kind = next((word for word in words if word in _LISTS), "")
        if name == "completion":
            parser.add_argument("shell", choices=SHELLS)
        elif words:
            argument = parser.add_argument("arguments", nargs="*", help=kind.lower() or None)
            if kind:
                function = f"_estiba_{kind.lower()}s"
                argument.complete = dict.fromkeys(("bash", "zsh"), function)


def _add_flags(parser: argparse.ArgumentParser, flags: tuple[Flag, ...]) -> None:
    for flag in flags:
        if flag.hidden:
            continue
        names = [f"-{flag.short}"] if flag.short else []
        action = "store_true" if flag.kind is BOOL else "store"
        parser.add_argument(*names, f"--{flag.name}", action=action, help=_plain(flag.help))


def _plain(text: str) -> str:
    """argparse reads % as its own."""
    return text.replace("%", "%%")


def _preamble(program: str) -> dict[str, str]:
    bash, zsh = [], []
    for kind, listing in _LISTS.items():
        function = f"_estiba_{kind.lower()}s"
        ask = f"{program} {listing} 2>/dev/null"
        bash.append(f'{function}() {{ compgen -W "$({ask})" -- "$1"; }}')
        zsh.append(f'{function}() {{ local -a found; found=("${{(@f)$({ask})}}"); compadd -a found; }}')
    return {"bash": "\n".join(bash), "zsh": "\n".join(zsh)}
