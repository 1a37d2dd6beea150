"""``estiba version``: versions of the command and the engine."""

from __future__ import annotations

import os
import sys

from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.tables import align
from estiba.cli.template_functions import TemplateError
from estiba.cli.templates import Template
from estiba.cli.typed import SERVER, Typed
from estiba.client.engine import API_VERSION
from estiba.errors import EstibaError
from estiba.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Show the versions of client and engine",
    (Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),),
    most=0,
)
_BAD_FORMAT = 64
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CLIENT = {"Version": "", "ApiVersion": "", "APIVersion": "", "DefaultAPIVersion": "", "GitCommit": "", "GoVersion": ""}


class _Client(Typed):
    """The client's part; templates say APIVersion, JSON says ApiVersion."""

    def as_map(self) -> dict[str, object]:
        return {key: value for key, value in self.value.items() if key != "APIVersion"}


class _Versions(Typed):
    def as_map(self) -> dict[str, object]:
        client = self.value["Client"]
        return {"Client": client.as_map() if isinstance(client, Typed) else client, "Server": self.value["Server"]}


def client_part(version: str) -> dict[str, Any]:
    """What we are."""
    machine = os.uname().machine
    return {
        "Version": VERSION,
        "ApiVersion": version,
        "APIVersion": version,
        "DefaultAPIVersion": API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "Os": "linux",
        "Arch": _MACHINES.get(machine, machine),
        "Context": "default",
    }


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    format_ = options.text("format")
    try:
        template = Template("{{json .}}" if format_ == "json" else format_) if format_ else None
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}", _BAD_FORMAT) from None
    server, failure = None, None
    try:
        server = session.client.get("/version")
    except EstibaError as error:
        failure = error
    for component in (server or {}).get("Components") or []:
        details = component.get("Details") or {}
        if component["Name"] == "Engine" and "BuildTime" in details:
            details["BuildTime"] = _date(details["BuildTime"])
    client = client_part(session.client.version if failure is None else API_VERSION)
    if template is None:
        session.print(_text(client, server))
    else:
        value = {"Client": _Client(client, {**_CLIENT}, "system.clientVersion"), "Server": server}
        try:
            session.write(template.render(_Versions(value, {"Server": SERVER}, "system.versionInfo")))
        except TemplateError as error:
            session.print("")
            words = (
                str(error)
                .replace("template: :", "template: version:", 1)
                .replace('executing ""', 'executing "version"')
            )
            raise CommandError(words) from None
    if failure is not None:
        raise failure
    return 0


def _text(client: dict[str, Any], server: dict[str, Any] | None) -> str:
    downgraded = "" if client["ApiVersion"] == API_VERSION else f" (downgraded from {API_VERSION})"
    lines = [
        ["Client: Estiba"],
        [" Version:", client["Version"]],
        [" API version:", client["ApiVersion"] + downgraded],
        [" Python version:", client["PythonVersion"]],
        [" OS/Arch:", f"{client['Os']}/{client['Arch']}"],
        [" Context:", client["Context"]],
    ]
    if server is not None:
        lines += [[""], [f"Server: {(server.get('Platform') or {}).get('Name', '')}".rstrip()]]
        for component in server.get("Components") or [_engine(server)]:
            lines += _component(component)
    return align(lines, gap=1, minimum=20).rstrip("\n")


def _engine(server: dict[str, Any]) -> dict[str, Any]:
    """The engine as a component, for servers that name none."""
    keys = ("ApiVersion", "MinAPIVersion", "GitCommit", "GoVersion", "Os", "Arch", "BuildTime", "Experimental")
    return {"Name": "Engine", "Version": server["Version"], "Details": {key: server.get(key, "") for key in keys}}


def _component(component: dict[str, Any]) -> list[list[str]]:
    details = component.get("Details") or {}
    lines = [[f" {component['Name']}:"], ["  Version:", component["Version"]]]
    if component["Name"] != "Engine":
        return lines + [[f"  {key}:", str(details[key])] for key in sorted(details)]
    lines.append(["  API version:", f"{details.get('ApiVersion')} (minimum version {details.get('MinAPIVersion')})"])
    for title, key in (
        ("Go version", "GoVersion"),
        ("Python version", "PythonVersion"),
        ("Git commit", "GitCommit"),
        ("Built", "BuildTime"),
    ):
        if key in details:
            lines.append([f"  {title}:", details[key]])
    lines.append(["  OS/Arch:", f"{details.get('Os')}/{details.get('Arch')}"])
    lines.append(["  Experimental:", str(details.get("Experimental"))])
    return lines


def _date(text: str) -> str:
    """``2025-11-05T14:12:12.0…`` as ``Wed Nov  5 14:12:12 2025``."""
    from time import asctime, gmtime

    from estiba.cli.clock import parse_instant

    try:
        return asctime(gmtime(parse_instant(text)[0]))
    except ValueError:
        return text
