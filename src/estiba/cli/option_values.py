"""Values of ``run`` and ``create`` flags that are checked one by one while the command line is read: text → JSON-
ready value.

Every function raises ValueError with Docker's wording, which the flag parser puts behind ``invalid argument …``.
"""

from __future__ import annotations

import _socket
import os

from estiba.cli.units import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLANKS = " \t"
_SYSCTLS = ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
_ULIMITS = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()  # noqa: SIM905
)


def csv_fields(text: str) -> list[str]:
    """One record of comma-separated values; a field may be quoted (``"a,b"``, a doubled quote is one)."""
    if not text:
        raise ValueError("EOF")
    fields, index = [], 0
    while True:
        if text[index : index + 1] == '"':
            field, index = _quoted(text, index + 1)
        else:
            end = text.find(",", index)
            end = len(text) if end < 0 else end
            field, index = text[index:end], end
            if '"' in field:
                raise ValueError(f'parse error on line 1, column {text.index(chr(34)) + 1}: bare " in non-quoted-field')
        fields.append(field)
        if index >= len(text):
            return fields
        index += 1


def _quoted(text: str, index: int) -> tuple[str, int]:
    field = ""
    while True:
        end = text.find('"', index)
        if end < 0:
            raise ValueError(f'parse error on line 1, column {len(text) + 1}: extraneous or missing " in quoted-field')
        field += text[index:end]
        if text[end + 1 : end + 2] != '"':
            if text[end + 1 : end + 2] not in ("", ","):
                raise ValueError(f'parse error on line 1, column {end + 1}: extraneous or missing " in quoted-field')
            return field, end + 1
        field += '"'
        index = end + 2


def parse_env(text: str) -> str:
    """``A=b``; ``A`` alone takes the caller's value, or stays as it is (remove it)."""
    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    if not equals and name in os.environ:
        return f"{name}={os.environ[name]}"
    return text


def parse_label(text: str) -> str:
    key = text.partition("=")[0].lstrip(_BLANKS)
    if not key:
        raise ValueError(f"invalid label '{text}': empty name")
    if any(blank in key for blank in _BLANKS):
        raise ValueError(f"label '{key}' contains whitespaces")
    return text


def parse_map(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def parse_sysctl(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    known = key.startswith(("net.", "fs.mqueue.")) or (key.startswith("kernel.") and key[7:] in _SYSCTLS)
    if not equals or not known:
        raise ValueError(f"sysctl '{text}' is not allowed")
    return key, value


def parse_attach(text: str) -> str:
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def normal_ip(text: str) -> str:
    """An IPv4 or IPv6 address in its shortest form. Raises ValueError."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            return _socket.inet_ntop(family, _socket.inet_pton(family, text))
        except (OSError, ValueError):
            continue
    raise ValueError(f"{text} is not an IP address")


def parse_dns(text: str) -> str:
    try:
        return normal_ip(text.strip())
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {text}") from None


def parse_dns_search(text: str) -> str:
    """A domain, or ``.`` for none."""
    text = text.strip(" ")
    if text == ".":
        return text
    domain = text.rstrip().removesuffix(".")
    labels = domain.split(".")
    good = all(
        label and label.isascii() and label.replace("-", "a").isalnum() and label[0] != "-" != label[-1]
        for label in labels
    )
    if not good or len(domain) >= 255 or not any(char.isalpha() for char in domain):
        raise ValueError(f"{text} is not a valid domain")
    return domain


def parse_extra_host(text: str) -> str:
    """``name:ip`` or ``name=ip``, the address possibly in brackets → ``name:ip``."""
    name, found, address = text.partition("=")
    if not found:
        name, found, address = text.partition(":")
    if not found or not name or ":" in name:
        raise ValueError(f'bad format for add-host: "{text}"')
    if address != "host-gateway":
        if len(address) > 2 and address[0] == "[" and address[-1] == "]":
            address = address[1:-1]
        try:
            normal_ip(address.strip())
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{address}"') from None
    return f"{name}:{address}"


def parse_link(text: str) -> str:
    if not text:
        raise ValueError("empty string specified for links")
    if text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text


def parse_cgroup_rule(text: str) -> str:
    """``c 1:3 rwm``."""
    kind, _, rest = text.partition(" ")
    numbers, _, access = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    good = (
        kind in ("a", "c", "b")
        and colon
        and all(part == "*" or (part.isascii() and part.isdigit()) for part in (major, minor))
    )
    if not good or not 1 <= len(access) <= 3 or set(access) - set("rwm"):
        raise ValueError(f"invalid device cgroup format '{text}'")
    return text


def parse_cpus(text: str) -> int:
    """Billionths of a CPU of a decimal number or a fraction, exactly."""
    top, slash, bottom = text.partition("/")
    try:
        numerator, scale = _decimal(top)
        divisor = int(bottom) if slash else 1
        if divisor <= 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"failed to parse {text} as a rational number") from None
    nano, remainder = divmod(numerator * 1_000_000_000, scale * divisor)
    if remainder:
        raise ValueError("value is too precise")
    return nano


def _decimal(text: str) -> tuple[int, int]:
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    sign = -1 if whole.startswith("-") else 1
    digits = whole.lstrip("+-") + fraction
    if not digits.isdigit() or not digits.isascii():
        raise ValueError(text)
    power = len(fraction) - int(exponent or 0)
    return sign * int(digits) * 10 ** max(-power, 0), 10 ** max(power, 0)


def _device(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon or not path:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, value


def parse_weight(text: str) -> dict[str, Any]:
    path, value = _device(text)
    if not value.isdigit() or (int(value) > 0 and not 10 <= int(value) <= 1000):
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": int(value)}


def parse_throttle_bytes(text: str) -> dict[str, Any]:
    path, value = _device(text)
    try:
        return {"Path": path, "Rate": parse_size(value)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]."
            " Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_throttle_ops(text: str) -> dict[str, Any]:
    path, value = _device(text)
    if not value.isdigit() or not value.isascii():
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(value)}


def _limit(text: str) -> int:
    body = text[1:] if text[:1] in ("-", "+") else text
    if not body.isdigit() or not body.isascii():
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def parse_ulimit(text: str) -> dict[str, Any]:
    """``nofile=1024:2048``."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    parts = limits.split(":")
    if len(parts) > 2:
        raise ValueError(f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`")
    hard = _limit(parts[-1])
    soft = _limit(parts[0])
    if hard != -1 and soft == -1:
        raise ValueError(
            f"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}"
        )
    if hard != -1 and soft > hard:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def parse_network(text: str) -> dict[str, Any]:
    """A network's name, or ``name=N,alias=A,ip=…`` → {"name", "alias", "ip", "ip6", "mac-address", "link-local-ip",
    "driver-opt", "gw-priority"}.
    """
    if not _is_long(text):
        return {"name": text}
    found: dict[str, Any] = {}
    for field in csv_fields(text):
        key, equals, value = field.lower().partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key:
            raise ValueError(f"invalid field {field}")
        if key in ("name", "ip", "ip6", "mac-address"):
            found[key] = value
        elif key in ("alias", "link-local-ip"):
            found.setdefault(key, []).append(value)
        elif key == "driver-opt":
            option, middle, setting = value.partition("=")
            if not middle or not option:
                raise ValueError("invalid key value pair format in driver options")
            found.setdefault(key, {})[option.strip()] = setting.strip()
        elif key == "gw-priority":
            if not value.lstrip("+-").isdigit():
                raise ValueError(f"invalid gw-priority ({value}): invalid syntax")
            found[key] = int(value)
        else:
            raise ValueError(f"invalid field key {key}")
    if not found.get("name"):
        raise ValueError("network name/id is not specified")
    return found


def _is_long(text: str) -> bool:
    """A word character on both sides of some ``=``."""
    return any(
        char == "="
        and 0 < index < len(text) - 1
        and all(near.isalnum() or near == "_" for near in (text[index - 1], text[index + 1]))
        for index, char in enumerate(text)
    )


def parse_gpus(text: str) -> dict[str, Any]:
    """``all``, a count, or ``device=0,capabilities=…`` → a DeviceRequest."""
    request: dict[str, Any] = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    seen = set()
    for field in csv_fields(text):
        key, equals, value = field.partition("=")
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not equals or key == "count":
            seen.add("count")
            request["Count"] = _gpu_count(value if equals else key)
        elif key == "driver":
            request["Driver"] = value
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            request["Options"] = dict(parse_map(option) for option in csv_fields(value))
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if "count" not in seen and request["DeviceIDs"] is None:
        request["Count"] = 1
    return request


def _gpu_count(text: str) -> int:
    if text == "all":
        return -1
    if not text.lstrip("+-").isdigit():
        raise ValueError(f'invalid count ({text}): value must be either "all" or an integer: invalid syntax')
    return int(text)


# ---- --mount --------------------------------------------------------------------------------------------------------

_TRUE_WORDS = ("1", "t", "T", "true", "TRUE", "True")
_FALSE_WORDS = ("0", "f", "F", "false", "FALSE", "False")
_RECURSIVE = {
    "enabled": "",
    "disabled": "NonRecursive",
    "writable": "ReadOnlyNonRecursive",
    "readonly": "ReadOnlyForceRecursive",
}
_OPTION_KINDS = {"Volume": "volume", "Image": "image", "Bind": "bind", "Tmpfs": "tmpfs"}


class _Mount:
    """One --mount being read: top-level values and the options of its kind."""

    def __init__(self) -> None:
        self.top: dict[str, Any] = {"Type": "volume"}
        self.options: dict[str, dict[str, Any]] = {}

    def option(self, kind: str) -> dict[str, Any]:
        fresh: dict[str, Any] = {"DriverConfig": {}} if kind == "Volume" else {}
        return self.options.setdefault(kind, fresh)

    def flag(self, key: str, value: str, target: dict[str, Any], name: str) -> None:
        if value in _TRUE_WORDS:
            target[name] = True
        elif value in _FALSE_WORDS:
            target.pop(name, None)
        else:
            raise ValueError(f"invalid value for {key}: {value}")

    def set(self, key: str, value: str, field: str) -> None:
        setter = _SETTERS.get(key)
        if setter is None:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
        setter(self, key, value)

    def source(self, _key: str, value: str) -> None:
        self.top["Source"] = os.path.abspath(value) if value.startswith(".") else value

    def target(self, _key: str, value: str) -> None:
        self.top["Target"] = value

    def kind(self, _key: str, value: str) -> None:
        self.top["Type"] = value.lower()

    def consistency(self, _key: str, value: str) -> None:
        self.top["Consistency"] = value.lower()

    def read_only(self, key: str, value: str) -> None:
        self.flag(key, value, self.top, "ReadOnly")

    def bind_propagation(self, _key: str, value: str) -> None:
        self.option("Bind")["Propagation"] = value.lower()

    def bind_nonrecursive(self, key: str, value: str) -> None:
        self.flag(key, value, self.option("Bind"), "NonRecursive")

    def bind_recursive(self, key: str, value: str) -> None:
        if value not in _RECURSIVE:
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
            )
        if _RECURSIVE[value]:
            self.option("Bind")[_RECURSIVE[value]] = True

    def subpath(self, key: str, value: str) -> None:
        self.option("Volume" if key.startswith("volume") else "Image")["Subpath"] = value

    def no_copy(self, key: str, value: str) -> None:
        self.flag(key, value, self.option("Volume"), "NoCopy")

    def volume_label(self, _key: str, value: str) -> None:
        name, label = parse_map(value)
        labels = self.option("Volume").setdefault("Labels", {})
        if name:
            labels[name] = label

    def volume_driver(self, _key: str, value: str) -> None:
        self.option("Volume")["DriverConfig"]["Name"] = value

    def volume_option(self, _key: str, value: str) -> None:
        name, setting = parse_map(value)
        options = self.option("Volume")["DriverConfig"].setdefault("Options", {})
        if name:
            options[name] = setting

    def tmpfs_size(self, key: str, value: str) -> None:
        try:
            self.option("Tmpfs")["SizeBytes"] = parse_size(value)
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None

    def tmpfs_mode(self, key: str, value: str) -> None:
        if not value or set(value) - set("01234567") or int(value, 8) >> 32:
            raise ValueError(f"invalid value for {key}: {value}")
        self.option("Tmpfs")["Mode"] = int(value, 8)

    def finish(self) -> dict[str, Any]:
        if not self.top["Type"]:
            raise ValueError("type is required")
        if not self.top.get("Target"):
            raise ValueError("target is required")
        for kind, word in _OPTION_KINDS.items():
            if kind in self.options and self.top["Type"] != word:
                raise ValueError(f"cannot mix '{word}-*' options with mount type '{self.top['Type']}'")
        self._check_bind(self.options.get("Bind", {}))
        return {
            **{key: value for key, value in self.top.items() if value},
            **{f"{kind}Options": value for kind, value in self.options.items()},
        }

    def _check_bind(self, bind: dict[str, Any]) -> None:
        word = "option 'bind-recursive="
        if bind.get("ReadOnlyNonRecursive") and not self.top.get("ReadOnly"):
            raise ValueError(word + "writable' requires 'readonly' to be specified in conjunction")
        if bind.get("ReadOnlyForceRecursive"):
            if not self.top.get("ReadOnly"):
                raise ValueError(word + "readonly' requires 'readonly' to be specified in conjunction")
            if bind.get("Propagation") != "rprivate":
                raise ValueError(word + "readonly' requires 'bind-propagation=rprivate' to be specified in conjunction")


_SETTERS = {
    "type": _Mount.kind,
    "source": _Mount.source,
    "src": _Mount.source,
    "target": _Mount.target,
    "dst": _Mount.target,
    "destination": _Mount.target,
    "readonly": _Mount.read_only,
    "ro": _Mount.read_only,
    "consistency": _Mount.consistency,
    "bind-propagation": _Mount.bind_propagation,
    "bind-nonrecursive": _Mount.bind_nonrecursive,
    "bind-recursive": _Mount.bind_recursive,
    "volume-subpath": _Mount.subpath,
    "image-subpath": _Mount.subpath,
    "volume-nocopy": _Mount.no_copy,
    "volume-label": _Mount.volume_label,
    "volume-driver": _Mount.volume_driver,
    "volume-opt": _Mount.volume_option,
    "tmpfs-size": _Mount.tmpfs_size,
    "tmpfs-mode": _Mount.tmpfs_mode,
}
_BARE = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")


def parse_mount(text: str) -> dict[str, Any]:
    """``type=bind,src=/a,dst=/b,readonly`` → a Mount of the API."""
    mount = _Mount()
    for field in csv_fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            if key not in _BARE:
                raise ValueError(f"invalid field '{field}' must be a key=value pair")
            value = "true"
        mount.set(key, value, field)
    return mount.finish()
