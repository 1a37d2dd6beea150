"""Command-line flags with the rules Docker's users' fingers know (POSIX/GNU style as in Go's pflag), from a table per
command.

Why not argparse: a value may begin with a dash (``-e -x``, ``--entrypoint -c``), ``--rm=false`` is allowed, flags may
or may not follow arguments by command, messages and help have Docker's layout; and argparse's import is a quarter of
the command's time.

    COMMAND = Command("ps [OPTIONS]", "List containers", (Flag("all", "a", BOOL, "Show all containers"),), least=0,
    most=0) options, arguments = parse(COMMAND, argv)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class UsageError(Exception):
    """The command line cannot be understood. ``command`` has the usage to show, when there is one."""

    def __init__(self, message: str, command: Command | None = None, code: int = 125) -> None:
        super().__init__(message)
        self.message = message
        self.command = command
        self.code = code


class Kind:
    """What a flag's value is: its name in the help, how text becomes a value (ValueError: why not), and whether it
    may be repeated.
    """

    __slots__ = ("check", "convert", "many", "name", "zero")

    def __init__(self, name: str, convert: Callable[[str], object], *, many: bool = False, zero: object = None) -> None:
        self.name = name
        self.convert = convert
        self.many = many
        self.zero = zero


class Flag:
    """One flag. ``to`` is used by tables that say where a value goes."""

    __slots__ = ("default", "help", "hidden", "kind", "name", "short", "to")

    def __init__(
        self,
        name: str,
        short: str,
        kind: Kind,
        text: str = "",
        default: object = None,
        *,
        to: str = "",
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.help = text
        self.default = kind.zero if default is None else default
        self.to = to
        self.hidden = hidden

    @property
    def label(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Command:
    """A command's usage line (without the program), its one-line description, flags, and how many arguments it takes.

    Attributes:
        most: None for any number.
        mixed: may flags come after arguments? (not where the arguments are another program's)
        passes_on: all words are arguments, flags too: somebody else reads them.
    """

    __slots__ = ("flags", "least", "mixed", "most", "name", "notes", "passes_on", "short", "usage")

    def __init__(
        self,
        usage: str,
        short: str,
        flags: tuple[Flag, ...] = (),
        *,
        least: int = 0,
        most: int | None = None,
        mixed: bool = True,
        notes: str = "",
        passes_on: bool = False,
    ) -> None:
        self.usage = usage
        self.name = ""  # as called: "container ls"; set by the dispatcher
        self.short = short
        self.flags = flags
        self.least = least
        self.most = most
        self.mixed = mixed
        self.notes = notes
        self.passes_on = passes_on


class Options:
    """The values of a command's flags, with typed access. ``given`` holds the names that were on the command line."""

    __slots__ = ("given", "values")

    def __init__(self, values: dict[str, object]) -> None:
        self.values = values
        self.given: set[str] = set()

    def on(self, name: str) -> bool:
        return self.values[name] is True

    def text(self, name: str) -> str:
        value = self.values[name]
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        value = self.values[name]
        return value if isinstance(value, int) else 0

    def many(self, name: str) -> list[str]:
        value = self.values[name]
        return list(value) if isinstance(value, list) else []


def _syntax(function: str, text: str, why: str = "invalid syntax") -> ValueError:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return ValueError(f'strconv.{function}: parsing "{quoted}": {why}')


def to_bool(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise _syntax("ParseBool", text)


def integer(text: str, low: int, high: int, function: str = "ParseInt") -> int:
    """A Go integer literal (0x, 0o, 0b, leading 0) within bounds."""
    body = text.lstrip("+-") if function == "ParseInt" else text
    try:
        if not body or not body.isascii() or body != body.strip() or len(text) - len(body) > 1:
            raise ValueError
        octal = len(body) > 1 and body[0] == "0" and body[1].isdigit()
        value = int(body, 8) if octal else int(body, 0)
    except ValueError:
        raise _syntax(function, text) from None
    value = -value if text.startswith("-") else value
    if not low <= value <= high:
        raise _syntax(function, text, "value out of range")
    return value


def _int64(text: str) -> int:
    return integer(text, -(1 << 63), (1 << 63) - 1)


def _uint16(text: str) -> int:
    return integer(text, 0, (1 << 16) - 1, "ParseUint")


def _uint64(text: str) -> int:
    return integer(text, 0, (1 << 64) - 1, "ParseUint")


def _filter(text: str) -> tuple[str, str]:
    if text and "=" not in text:
        raise ValueError("bad format of filter (expected name=value)")
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


BOOL = Kind("", to_bool, zero=False)
TEXT = Kind("string", str, zero="")
INT = Kind("int", _int64, zero=0)
UINT16 = Kind("uint16", _uint16, zero=0)
UINT = Kind("uint", _uint64, zero=0)
LIST = Kind("list", str, many=True)
FILTER = Kind("filter", _filter, many=True)

HELP = Flag("help", "", BOOL, "Print usage")


def filters(options: Options) -> str | None:
    """The --filter values as the API's JSON, None when there are none."""
    from estiba.client.quickjson import dumps

    found: dict[str, dict[str, bool]] = {}
    value = options.values["filter"]
    for name, wanted in value if isinstance(value, list) else ():
        if name:
            found.setdefault(name, {})[wanted] = True
    return dumps({name: dict(sorted(found[name].items())) for name in sorted(found)}) if found else None


class _Parser:
    def __init__(self, command: Command) -> None:
        self.command = command
        self.long = {flag.name: flag for flag in (*command.flags, HELP)}
        self.short = {flag.short: flag for flag in command.flags if flag.short}
        self.short.setdefault("h", HELP)
        self.options = Options({flag.name: [] if flag.kind.many else flag.default for flag in self.long.values()})
        self.arguments: list[str] = []

    def error(self, message: str) -> UsageError:
        return UsageError(message, self.command)

    def set(self, flag: Flag, text: str) -> None:
        try:
            value = flag.kind.convert(text)
        except ValueError as error:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            raise self.error(f'invalid argument "{quoted}" for "{flag.label}" flag: {error}') from None
        self.options.given.add(flag.name)
        held = self.options.values[flag.name]
        if flag.kind.many and isinstance(held, list):
            held.append(value)
        else:
            self.options.values[flag.name] = value

    def run(self, argv: list[str]) -> None:
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--":
                self.arguments += rest
                return
            if word.startswith("--"):
                self._long(word, rest)
            elif len(word) > 1 and word[0] == "-":
                self._short(word, rest)
            else:
                self.arguments.append(word)
                if not self.command.mixed:
                    self.arguments += rest
                    return

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, text = word[2:].partition("=")
        if not name or name[0] == "-":
            raise self.error(f"bad flag syntax: {word}")
        flag = self.long.get(name)
        if flag is None:
            raise self.error(f"unknown flag: --{name}")
        if equals:
            self.set(flag, text)
        elif flag.kind is BOOL:
            self.set(flag, "true")
        elif rest:
            self.set(flag, rest.pop(0))
        else:
            raise self.error(f"flag needs an argument: --{name}")

    def _short(self, word: str, rest: list[str]) -> None:
        letters = word[1:]
        while letters:
            flag = self.short.get(letters[0])
            if flag is None:
                raise self.error(f"unknown shorthand flag: '{letters[0]}' in {word}")
            tail = letters[1:]
            if flag.kind is BOOL and not tail.startswith("="):
                self.set(flag, "true")
                letters = tail
                continue
            if tail:
                self.set(flag, tail.removeprefix("="))
            elif flag.kind is BOOL:
                self.set(flag, "true")
            elif rest:
                self.set(flag, rest.pop(0))
            else:
                raise self.error(f"flag needs an argument: '{letters[0]}' in {word}")
            return


def parse(command: Command, argv: list[str]) -> tuple[Options, list[str]]:
    """Read a command line.

    Raises:
        UsageError: with Docker's message; code 125 for a flag, 1 for the number of arguments.
    """
    parser = _Parser(command)
    if command.passes_on:
        return parser.options, argv
    parser.run(argv)
    if not parser.options.on("help"):
        check_count(command, len(parser.arguments))
    return parser.options, parser.arguments


def check_count(command: Command, count: int) -> None:
    """Refuse a wrong number of arguments."""
    least, most = command.least, command.most
    if least <= count and (most is None or count <= most):
        return

    def plural(number: int) -> str:
        return f"{number} argument" + ("" if number == 1 else "s")

    if most == 0:
        wanted = "accepts no arguments"
    elif most is None:
        wanted = f"requires at least {plural(least)}"
    elif least == most:
        wanted = f"requires {plural(least)}"
    elif least == 0:
        wanted = f"requires at most {plural(most)}"
    else:
        wanted = f"requires at least {least} and at most {plural(most)}"
    raise UsageError(f"'{{program}} {command.name}' {wanted}", command, 1)
