"""``estiba info``: the engine, its machine, and what it runs."""

from __future__ import annotations

from estiba.cli.commands.version import client_part
from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.template_functions import TemplateError
from estiba.cli.templates import Template
from estiba.cli.typed import INFO, Typed
from estiba.cli.units import bytes_size
from estiba.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

    Lines = list[str]

COMMAND = Command(
    "[OPTIONS]",
    "Display system-wide information",
    (Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),),
    most=0,
)
_BAD_FORMAT = 64


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    format_ = options.text("format")
    info = session.client.get("/info")
    if not format_:
        _print(session, info)
        return 0
    part = client_part(session.client.version)
    part.pop("APIVersion")
    client = {"Debug": False, **part, "Plugins": [], "Warnings": None}
    try:
        template = Template("{{json .}}" if format_ == "json" else format_)
        session.write(template.render(Typed({**info, "ClientInfo": client}, INFO, "system.dockerInfo")))
    except TemplateError as error:
        text = str(error)
        if "executing" not in text:
            raise CommandError(f"template parsing error: {text}", _BAD_FORMAT) from None
        session.print("")
        raise CommandError(text) from None
    return 0


def _print(session: Session, info: dict[str, Any]) -> None:
    lines = [
        "Client: Estiba",
        f" Version:    {VERSION}",
        " Context:    default",
        " Debug Mode: false",
        "",
        "Server:",
    ]
    _counts(lines, info)
    _plugins(lines, info)
    _runtimes(lines, info)
    _machine(lines, info)
    _registries(lines, info)
    session.print("\n".join(lines) + "\n")
    session.flush()
    for warning in info.get("Warnings") or []:
        session.warn(warning)


def _put(lines: Lines, title: str, value: object) -> None:
    lines.append(f" {title}: {_word(value)}")


def _put_known(lines: Lines, info: dict[str, Any], *pairs: tuple[str, str]) -> None:
    for title, key in pairs:
        if info.get(key):
            _put(lines, title, info[key])


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counts(lines: Lines, info: dict[str, Any]) -> None:
    _put(lines, "Containers", info["Containers"])
    for state in ("Running", "Paused", "Stopped"):
        _put(lines, f" {state}", info[f"Containers{state}"])
    _put(lines, "Images", info["Images"])
    _put_known(lines, info, ("Server Version", "ServerVersion"), ("Storage Driver", "Driver"))
    for key, value in info.get("DriverStatus") or []:
        _put(lines, f" {key}", value)
    _put_known(
        lines,
        info,
        ("Logging Driver", "LoggingDriver"),
        ("Cgroup Driver", "CgroupDriver"),
        ("Cgroup Version", "CgroupVersion"),
    )


def _plugins(lines: Lines, info: dict[str, Any]) -> None:
    plugins = info.get("Plugins") or {}
    lines.append(" Plugins:")
    for kind in ("Volume", "Network", "Authorization", "Log"):
        names = plugins.get(kind) or []
        if names or kind != "Authorization":
            _put(lines, f" {kind}", " ".join(names))
    if info.get("CDISpecDirs"):
        lines.append(" CDI spec directories:")
        lines += [f"  {directory}" for directory in info["CDISpecDirs"]]
    _put(lines, "Swarm", (info.get("Swarm") or {}).get("LocalNodeState", "inactive"))


def _runtimes(lines: Lines, info: dict[str, Any]) -> None:
    if info.get("Runtimes"):
        _put(lines, "Runtimes", " ".join(sorted(info["Runtimes"])))
        _put(lines, "Default Runtime", info.get("DefaultRuntime", ""))
    _put(lines, "Init Binary", info.get("InitBinary", ""))
    for title, key in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        _put(lines, f"{title} version", (info.get(key) or {}).get("ID", ""))
    if info.get("SecurityOptions"):
        lines.append(" Security Options:")
    for option in info.get("SecurityOptions") or []:
        fields = dict(field.partition("=")[::2] for field in option.split(","))
        lines.append(f"  {fields.get('name', option)}")
        if "profile" in fields:
            lines.append(f"   Profile: {fields['profile']}")


def _machine(lines: Lines, info: dict[str, Any]) -> None:
    names = ("KernelVersion", "OperatingSystem", "OSType", "Architecture")
    _put_known(lines, info, *zip(("Kernel Version", "Operating System", "OSType", "Architecture"), names, strict=True))
    _put(lines, "CPUs", info["NCPU"])
    _put(lines, "Total Memory", bytes_size(info["MemTotal"]))
    _put_known(lines, info, ("Name", "Name"), ("ID", "ID"))
    _put(lines, "Docker Root Dir", info["DockerRootDir"])
    _put(lines, "Debug Mode", info.get("Debug", False))
    _put_known(lines, info, ("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy"))
    if info.get("Labels"):
        lines.append(" Labels:")
        lines += [f"  {label}" for label in info["Labels"]]
    _put(lines, "Experimental", info.get("ExperimentalBuild", False))


def _registries(lines: Lines, info: dict[str, Any]) -> None:
    registries = info.get("RegistryConfig") or {}
    named = [name for name, each in (registries.get("IndexConfigs") or {}).items() if not each.get("Secure")]
    insecure = named + list(registries.get("InsecureRegistryCIDRs") or [])
    if insecure or registries.get("IndexConfigs"):
        lines.append(" Insecure Registries:")
        lines += [f"  {name}" for name in insecure]
    if registries.get("Mirrors"):
        lines.append(" Registry Mirrors:")
        lines += [f"  {mirror}" for mirror in registries["Mirrors"]]
    _put(lines, "Live Restore Enabled", info.get("LiveRestoreEnabled", False))
    for pool in info.get("DefaultAddressPools") or []:
        if " Default Address Pools:" not in lines:
            lines.append(" Default Address Pools:")
        lines.append(f"   Base: {pool['Base']}, Size: {pool['Size']}")
