"""The ``estiba`` command: Docker's verbs, flags and output, over the Engine API.

``main`` reads the global flags, finds the command in ``registry``, imports that one module, and turns errors into
messages and exit codes. Importing this package must stay cheap (a test holds what it may load): a whole ``estiba ps``
has 35 ms.
"""

from __future__ import annotations

import sys

from estiba.cli.registry import GROUPS, TOP, find
from estiba.errors import EstibaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from estiba.cli.session import Session

PROGRAM = "estiba"
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return _BROKEN_PIPE
    return code


def _forget_stdout() -> None:
    """The reader is gone: let nothing be written at exit, which would complain."""
    import os

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _run(words: list[str]) -> int:
    from estiba.cli.flags import UsageError
    from estiba.cli.session import CommandError

    try:
        return _dispatch(words)
    except UsageError as error:
        from estiba.cli.help import usage_text

        return _fail(usage_text(error, PROGRAM), error.code)
    except CommandError as error:
        return _fail(error.message, error.code)
    except EstibaError as error:
        return _fail(describe(error), 1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _fail(describe_os(error), 1)


def describe(error: EstibaError) -> str:
    """The sentence of an error; what the engine said is marked as in Docker."""
    from estiba.client.transport import ResponseError

    return f"Error response from daemon: {error.message}" if isinstance(error, ResponseError) else error.message


def describe_os(error: OSError) -> str:
    """``open /path: no such file or directory``."""
    reason = (error.strerror or str(error)).lower()
    return f"open {error.filename}: {reason}" if error.filename else reason


def _fail(message: str, code: int) -> int:
    sys.stdout.flush()
    if message:
        from estiba.cli.session import harmless

        sys.stderr.write((harmless(message) if sys.stderr.isatty() else message) + "\n")
    return code


def _dispatch(words: list[str]) -> int:
    from estiba.cli.globals import read_globals

    session, rest = read_globals(words, PROGRAM)
    if session is None:
        return 0
    if not rest:
        from estiba.cli.help import program_help

        session.print(program_help(PROGRAM))
        return 0
    name, rest = rest[0], rest[1:]
    if name == "help":
        return _dispatch([*rest, "--help"])
    if name in GROUPS:
        return _dispatch_group(session, name, rest)
    entry = find(TOP, name)
    if entry is None:
        return _unknown(name)
    return call(session, name, entry[0], rest)


def _dispatch_group(session: Session, group: str, words: list[str]) -> int:
    from estiba.cli.help import group_help

    table = GROUPS[group][1]
    if not words or words[0] in ("-h", "--help"):
        session.print(group_help(PROGRAM, group))
        return 0
    entry = find(table, words[0], group)
    if entry is None:
        return _unknown(f"{group} {words[0]}", f"Usage:  {PROGRAM} {group}\n\n", group)
    return call(session, f"{group} {words[0]}", entry[0], words[1:])


def _unknown(name: str, usage: str = "", group: str = "") -> int:
    from estiba.cli.help import similar

    hint = similar(name)
    command = f"{PROGRAM} {group}".strip()
    return _fail(
        f"{PROGRAM}: unknown command: {PROGRAM} {name}\n\n{hint}{usage}Run '{command} --help' for more information", 1
    )


def call(session: Session, name: str, module_name: str, words: list[str]) -> int:
    """Parse a command's flags and run it. ``name`` is what the user called it."""
    from estiba.cli.flags import parse

    module: ModuleType = __import__(f"estiba.cli.commands.{module_name}", fromlist=("COMMAND",))
    command = module.COMMAND
    command.name = name
    options, arguments = parse(command, words)
    if options.on("help"):
        from estiba.cli.help import command_help

        session.print(command_help(command, PROGRAM))
        return 0
    try:
        code: int = module.run(session, options, arguments)
    except (EstibaError, OSError):
        if session.debug:
            import traceback

            traceback.print_exc()
        raise
    finally:
        session.client.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
