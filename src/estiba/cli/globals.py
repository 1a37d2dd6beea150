"""The flags before the command: --host, --config, --debug, --log-level, --version, --help."""

from __future__ import annotations

from estiba.cli.flags import BOOL, LIST, TEXT, Command, Flag, UsageError, parse
from estiba.cli.session import Session
from estiba.version import VERSION

FLAGS = (
    Flag("config", "", TEXT, 'Location of client config files (default "~/.docker")'),
    Flag("debug", "D", BOOL, "Show where an error came from"),
    Flag("host", "H", LIST, "Engine socket to connect to (unix:///PATH or tcp://HOST:PORT)"),
    Flag(
        "log-level", "l", TEXT, 'Set the logging level ("debug" is --debug, "info", "warn", "error", "fatal")', "info"
    ),
    Flag("version", "v", BOOL, "Print version information and quit"),
)
_LEVELS = ("debug", "info", "warn", "error", "fatal")


def read_globals(words: list[str], program: str) -> tuple[Session | None, list[str]]:
    """The session that the global flags ask for and the words after them; no session when all is done (--version)."""
    if not words or words[0][:1] != "-":
        return Session(program=program), words
    command = Command("[OPTIONS] COMMAND [ARG...]", "", FLAGS, mixed=False)
    options, rest = parse(command, words)
    if options.on("version"):
        print(f"Estiba version {VERSION}")
        return None, []
    if options.on("help"):
        return Session(program=program), []
    if options.text("log-level") not in _LEVELS:
        raise UsageError(f"unable to parse logging level: {options.text('log-level')}", code=1)
    hosts = options.many("host")
    if len(hosts) > 1:
        raise UsageError("specify only one -H", code=1)
    return (
        Session(
            host=hosts[0] if hosts else "",
            config_dir=options.text("config"),
            program=program,
            debug=options.on("debug") or options.text("log-level") == "debug",
        ),
        rest,
    )
