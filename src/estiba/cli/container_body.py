"""The create body of ``run`` and ``create``: parsed flags → the JSON that Docker's own command would send for the
same words.

Values that one flag gives alone come from the table's ``to``; here is what several flags make together, and the
checks that need them all.
"""

from __future__ import annotations

import os

from estiba.cli.container_flags import CONTAINER_FLAGS
from estiba.cli.key_files import read_pairs
from estiba.cli.option_values import parse_map
from estiba.cli.ports import expose, publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options

    Body = dict[str, Any]

_BUILT_IN_NETWORKS = ("default", "bridge", "host", "none")


def build(options: Options, arguments: list[str]) -> Body:
    """The create body for ``IMAGE [COMMAND…]``.

    Raises:
        ValueError: flags that do not fit together, or values that can only be checked together; Docker's wording.
    """
    _alias(options, "net", "network")
    _alias(options, "net-alias", "network-alias")
    body, host = _skeleton(arguments)
    _simple(options, body, host)
    _streams(options, body)
    _storage(options, body, host)
    _program(options, body)
    _ports(options, body, host)
    _limits(options, host)
    _environment(options, body)
    _modes(options, host)
    _security(options, host)
    _restart_and_logs(options, host)
    _health(options, body)
    body["HostConfig"] = host
    endpoints = _endpoints(options)
    body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return body


def for_version(body: Body, version: tuple[int, ...]) -> None:
    """Adapt to an older engine: the container's own MAC address (before 1.44), kernel memory (1.40 and 1.41 only)."""
    host = body["HostConfig"]
    if not (1, 40) <= version < (1, 42):
        host.pop("KernelMemory", None)
    if version < (1, 44):
        endpoint = body["NetworkingConfig"]["EndpointsConfig"].get(host["NetworkMode"], {})
        if endpoint.get("MacAddress"):
            body["MacAddress"] = endpoint["MacAddress"]


def _alias(options: Options, other: str, name: str) -> None:
    options.values[name] = [*options.many(name), *options.many(other)]


def _skeleton(arguments: list[str]) -> tuple[Body, Body]:
    body: Body = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": arguments[1:] or None,
        "Image": arguments[0],
        "Volumes": {},
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": {},
    }
    host: Body = {"Binds": None, "LogConfig": {}, "NetworkMode": "default", "Cgroup": "", "ConsoleSize": [0, 0]}
    return body, host


def _simple(options: Options, body: Body, host: Body) -> None:
    """What a flag says alone. Lists that Docker sends empty stay empty, the others null; annotations are left out
    when there are none.
    """
    for flag in CONTAINER_FLAGS:
        place, _, key = flag.to.partition(".")
        if not place:
            continue
        value = options.values[flag.name]
        if key == "Annotations":
            if value:
                host[key] = dict(value)  # type: ignore[call-overload]
            continue
        if isinstance(value, list):
            value = [*(host.get(key) or []), *value] or (None if key not in _EMPTY_LISTS else [])
        (host if place == "Host" else body)[key] = value


_EMPTY_LISTS = (
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
    "Dns",
    "DnsOptions",
    "DnsSearch",
)


def _streams(options: Options, body: Body) -> None:
    attach = options.many("attach")
    body["AttachStdin"] = "stdin" in attach or options.on("interactive")
    body["AttachStdout"] = "stdout" in attach or not attach
    body["AttachStderr"] = "stderr" in attach or not attach
    body["StdinOnce"] = body["OpenStdin"] and body["AttachStdin"]


# ---- mounts ---------------------------------------------------------------------------------------------------------


def _volume_parts(spec: str) -> list[str]:
    """SOURCE, TARGET, OPTIONS of a -v value, or the TARGET alone.

    Raises:
        ValueError: empty parts, too many of them.
    """
    if not spec:
        raise ValueError("invalid empty volume spec")
    if len(spec) < 3:
        return [spec]
    parts: list[str] = []
    for part in spec.split(":"):
        # one letter before a colon is a Windows drive
        if parts and len(parts[-1]) == 1 and parts[-1].isalpha():
            parts[-1] += f":{part}"
        else:
            parts.append(part)
    if not all(parts):
        raise ValueError(f"invalid spec: {spec}: empty section between colons")
    if len(parts) > 3:
        raise ValueError(f"invalid spec: {spec}: too many colons")
    return parts


def _storage(options: Options, body: Body, host: Body) -> None:
    binds = []
    for spec in dict.fromkeys(options.many("volume")):
        parts = _volume_parts(spec)
        if len(parts) == 1:
            body["Volumes"][spec] = {}
        elif parts[0].startswith("."):
            source, _, rest = spec.partition(":")
            binds.append(f"{os.path.abspath(source)}:{rest}")
        else:
            binds.append(spec)
    host["Binds"] = binds or None
    if options.many("tmpfs"):
        host["Tmpfs"] = {path: rest for path, _, rest in (spec.partition(":") for spec in options.many("tmpfs"))}
    if options.many("mount"):
        host["Mounts"] = options.many("mount")
    for option in options.many("storage-opt"):
        if "=" not in option:
            raise ValueError("invalid storage option")
    if options.many("storage-opt"):
        host["StorageOpt"] = dict(parse_map(option) for option in options.many("storage-opt"))


# ---- program and environment ----------------------------------------------------------------------------------------


def _program(options: Options, body: Body) -> None:
    if "entrypoint" in options.given:
        body["Entrypoint"] = [options.text("entrypoint")]
    if options.text("stop-signal"):
        body["StopSignal"] = options.text("stop-signal")
    if "stop-timeout" in options.given:
        body["StopTimeout"] = options.number("stop-timeout")


def _environment(options: Options, body: Body) -> None:
    files = options.many("env-file")
    environment = [*read_pairs(files, environment=True), *options.many("env")]
    body["Env"] = environment or None
    labels = [*read_pairs(options.many("label-file"), environment=False), *options.many("label")]
    body["Labels"] = dict(parse_map(label) for label in labels)


def _ports(options: Options, body: Body, host: Body) -> None:
    exposed, bindings = publish(options.many("publish"))
    exposed.update(expose(options.many("expose")))
    host["PortBindings"] = bindings
    if exposed:
        body["ExposedPorts"] = {port: {} for port in exposed}


# ---- limits and devices ---------------------------------------------------------------------------------------------


def _limits(options: Options, host: Body) -> None:
    swappiness = options.number("memory-swappiness")
    if not -1 <= swappiness <= 100:
        raise ValueError(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    if options.number("kernel-memory"):
        host["KernelMemory"] = options.number("kernel-memory")
    ulimits: list[Any] = options.many("ulimit")
    by_name = {limit["Name"]: limit for limit in ulimits}
    host["Ulimits"] = [by_name[name] for name in sorted(by_name)]
    if options.many("sysctl"):
        host["Sysctls"] = dict(options.many("sysctl"))  # type: ignore[arg-type]
    if "init" in options.given:
        host["Init"] = options.on("init")
    if options.text("runtime"):
        host["Runtime"] = options.text("runtime")
    host["Devices"] = []
    requests: list[Any] = options.many("gpus")
    named = []
    for device in options.many("device"):
        if _is_cdi(device):
            named.append(device)
        else:
            host["Devices"].append(_device(device))
    if named:
        requests.append({"Driver": "cdi", "Count": 0, "DeviceIDs": named, "Capabilities": None, "Options": None})
    host["DeviceRequests"] = requests or None


def _is_cdi(device: str) -> bool:
    """``vendor.com/class=name``: a device described by the Container Device Interface."""
    vendor, slash, rest = device.partition("/")
    kind, equals, name = rest.partition("=")
    return bool(vendor and slash and kind and equals and name) and vendor[0].isalpha() and "/" not in rest


def _access(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def _device(text: str) -> Body:
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise ValueError(f"bad format for path: {text}")
    source, inside, access = parts[0], parts[0], "rwm"
    if len(parts) == 3:
        inside, access = parts[1], parts[2]
        if not _access(access):
            raise ValueError(f"bad mode specified: {access}")
    elif len(parts) == 2 and _access(parts[1]):
        access = parts[1]
    elif len(parts) == 2:
        inside = parts[1]
    if not inside.startswith("/"):
        raise ValueError(f"{inside} is not an absolute path")
    if len(parts) < 3:
        inside = os.path.normpath(inside)
        source = source if len(parts) == 2 and not _access(parts[1]) else inside
    return {"PathOnHost": source, "PathInContainer": inside, "CgroupPermissions": access}


# ---- name spaces and security ---------------------------------------------------------------------------------------


def _modes(options: Options, host: Body) -> None:
    """Refuse unknown modes; ``container:`` needs a name. (--userns knows two words more than Docker: auto and
    private.)
    """
    pid, colon, name = host["PidMode"].partition(":")
    if not (host["PidMode"] in ("", "host") or (pid == "container" and colon and name)):
        raise ValueError("--pid: invalid PID mode")
    if host["UTSMode"] not in ("", "host"):
        raise ValueError("--uts: invalid UTS mode")
    if host["UsernsMode"] not in ("", "host", "auto", "private"):
        raise ValueError("--userns: invalid USER mode")
    if host["CgroupnsMode"] not in ("", "host", "private"):
        raise ValueError("--cgroupns: invalid CGROUP mode")
    networks: list[Any] = options.many("network")
    host["NetworkMode"] = networks[0]["name"] if networks else "default"


def _capabilities(names: list[str] | None) -> list[str] | None:
    """``sys_admin`` → ``CAP_SYS_ADMIN``; each once, sorted."""
    wanted = {name.upper() for name in names or ()}
    return sorted({name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in wanted}) or None


def _security(options: Options, host: Body) -> None:
    host["CapAdd"], host["CapDrop"] = _capabilities(host["CapAdd"]), _capabilities(host["CapDrop"])
    found = []
    host["MaskedPaths"] = host["ReadonlyPaths"] = None
    for option in options.many("security-opt"):
        key, separator, value = option.partition("=")
        if not separator and key != "no-new-privileges":
            key, separator, value = option.partition(":")
        if key != "no-new-privileges" and not value:
            raise ValueError(f'Invalid --security-opt: "{option}"')
        if key == "seccomp" and value not in ("builtin", "unconfined"):
            option = f"seccomp={_profile(value)}"
        if option == "systempaths=unconfined":
            host["MaskedPaths"], host["ReadonlyPaths"] = [], []
        else:
            found.append(option)
    # Docker sends an empty list when the only option was its own
    host["SecurityOpt"] = found if options.many("security-opt") else None


def _profile(path: str) -> str:
    """A seccomp profile's content, compact."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ValueError(
            f"opening seccomp profile ({path}) failed: open {path}: {(error.strerror or '').lower()}"
        ) from None
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except ValueError as error:
        raise ValueError(f"compacting json for seccomp profile ({path}) failed: {error}") from None


# ---- restart, logs, health ------------------------------------------------------------------------------------------


def restart_policy(text: str) -> Body:
    """``on-failure:3`` → {"Name", "MaximumRetryCount"}."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise ValueError("invalid restart policy format: no policy provided before colon")
    if count and not count.lstrip("+-").isdigit():
        raise ValueError("invalid restart policy format: maximum retry count must be an integer")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _restart_and_logs(options: Options, host: Body) -> None:
    host["RestartPolicy"] = restart_policy(options.text("restart"))
    driver, settings = options.text("log-driver"), options.many("log-opt")
    if driver == "none" and settings:
        raise ValueError("invalid logging opts for driver none")
    host["LogConfig"] = {"Type": driver, "Config": dict(parse_map(setting) for setting in settings)}
    if host["AutoRemove"] and host["RestartPolicy"]["Name"] not in ("", "no"):
        raise ValueError("conflicting options: cannot specify both --restart and --rm")


_HEALTH_TIMES = (
    ("Interval", "health-interval"),
    ("Timeout", "health-timeout"),
    ("StartPeriod", "health-start-period"),
    ("StartInterval", "health-start-interval"),
    ("Retries", "health-retries"),
)


def _health(options: Options, body: Body) -> None:
    command = options.text("health-cmd")
    times = {key: options.number(name) for key, name in _HEALTH_TIMES if options.number(name)}
    if options.on("no-healthcheck"):
        if command or times:
            raise ValueError("--no-healthcheck conflicts with --health-* options")
        body["Healthcheck"] = {"Test": ["NONE"]}
        return
    for key, name in _HEALTH_TIMES:
        if times.get(key, 0) < 0:
            raise ValueError(f"--{name} cannot be negative")
    if command or times:
        body["Healthcheck"] = {**({"Test": ["CMD-SHELL", command]} if command else {}), **times}


# ---- networks -------------------------------------------------------------------------------------------------------

_CONFLICTS = (
    ("alias", "network-alias", "--network-alias and per-network alias"),
    ("ip", "ip", "--ip and per-network IPv4 address"),
    ("ip6", "ip6", "--ip6 and per-network IPv6 address"),
    ("mac-address", "mac-address", "--mac-address and per-network MAC address"),
    ("link-local-ip", "link-local-ip", "--link-local-ip and per-network link-local IP addresses"),
)


def _is_user_defined(network: str) -> bool:
    return network not in _BUILT_IN_NETWORKS and not network.startswith("container:")


def _endpoints(options: Options) -> Body:
    """EndpointsConfig: one entry per --network (or ``default``); the first takes --ip, --network-alias and the like.

    An only network without settings is left out.
    """
    if options.text("mac-address"):
        _check_mac(options.text("mac-address"))
    networks: list[Any] = options.many("network")
    asked = networks or [{"name": "default"}]
    found: Body = {}
    for index, network in enumerate(asked):
        if index == 0:
            network = _with_options(network, options)
        endpoint = _endpoint(network)
        if network["name"] in found:
            raise ValueError(f'network "{network["name"]}" is specified multiple times')
        if len(networks) == 1 and endpoint == _endpoint({"name": "x"}):
            continue
        found[network["name"]] = endpoint
    if len({_is_user_defined(network["name"]) for network in networks}) > 1:
        raise ValueError("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    return found


def _with_options(network: Body, options: Options) -> Body:
    network = dict(network)
    for key, name, words in _CONFLICTS:
        value = options.many(name) or options.text(name)
        if value and network.get(key):
            raise ValueError(f"conflicting options: cannot specify both {words}")
        if value:
            network[key] = value
    if _is_user_defined(network["name"]) and options.many("link"):
        network["links"] = options.many("link")
    return network


def _endpoint(network: Body) -> Body:
    name = network["name"]
    if not name.strip():
        raise ValueError("no name set for network")
    if not _is_user_defined(name) and network.get("alias"):
        raise ValueError("network-scoped aliases are only supported for user-defined networks")
    addresses: Body = {}
    for key, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address"), ("link-local-ip", "LinkLocalIPs")):
        if network.get(key):
            addresses[field] = network[key]
    if network.get("mac-address"):
        _check_mac(network["mac-address"])
    return {
        "IPAMConfig": addresses or None,
        "Links": network.get("links"),
        "Aliases": network.get("alias"),
        "MacAddress": network.get("mac-address", ""),
        "DriverOpts": network.get("driver-opt"),
        "GwPriority": network.get("gw-priority", 0),
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }


def _check_mac(text: str) -> None:
    """Six, eight or twenty bytes in hexadecimal, with ``:`` or ``-`` between them, or ``.`` between pairs."""
    address = text.strip()
    for separator, width in ((":", 2), ("-", 2), (".", 4)):
        parts = address.split(separator)
        digits = "".join(parts)
        if (
            len(digits) in (12, 16, 40)
            and all(len(part) == width for part in parts)
            and not set(digits) - set("0123456789abcdefABCDEF")
        ):
            return
    raise ValueError(f"{text} is not a valid mac address")
