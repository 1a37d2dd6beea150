"""What a create request may not say, in Docker's words. Everything is checked before anything is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from estiba.engine.logs import parse_size
from estiba.engine.request.mounts import check_tmpfs_targets, from_request
from estiba.engine.request.publishing import check_publishing
from estiba.engine.request.validate_networking import check_network_mode, check_networking
from estiba.engine.request.validate_resources import check_resources
from estiba.engine.signals import signal_number
from estiba.engine.spec.resources import limit_warnings
from estiba.engine.spec.security import check_capabilities, parse_security_options
from estiba.errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.engine.config import (
        ContainerConfig,
        HealthCheck,
        HostConfig,
        LogConfig,
        NetworkingConfig,
        RestartPolicy,
    )
    from estiba.engine.request.merge import Completed
    from estiba.linux.host import Host

_POLICIES: Final = ("", "no", "always", "on-failure", "unless-stopped")
_LOG_OPTIONS: Final = frozenset(
    {"max-size", "max-file", "labels", "labels-regex", "env", "env-regex", "tag", "compress", "mode", "max-buffer-size"}
)
_RUNTIMES: Final = ("", "runc", "io.containerd.runc.v2", "estiba")
_MILLISECOND: Final = 1_000_000
_NUL: Final = b"\\u0000"  # as JSON has it, where it may also be six characters of text

_encode = msgspec.json.Encoder().encode


def check_request(config: ContainerConfig, host: HostConfig, networking: NetworkingConfig, machine: Host) -> list[str]:
    """Check a request as it came, before its image is looked up; returns warnings.

    Raises InvalidArgument, or Unsupported for what Estiba cannot do yet.
    """
    check_text(config, host, networking)
    check_network_mode(config, host)
    _check_config(config)
    if host.auto_remove and host.restart_policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
    for request in host.mounts or ():
        from_request(request)
    warnings = check_networking(config, host, networking)
    warnings += check_host(host, machine)
    _check_modes(host)
    check_tmpfs_targets(host.tmpfs)
    check_log(host.log_config)
    return warnings + _security_warnings(host, machine)


def check_text(*requests: msgspec.Struct) -> None:
    """Raises InvalidArgument for what no path, variable or record can hold: NUL, and half of a surrogate pair."""
    for request in requests:
        try:
            encoded = _encode(request)
        except UnicodeEncodeError:
            raise InvalidArgument("cannot use text that is not Unicode: it has half of a surrogate pair") from None
        if _NUL in encoded and any("\0" in text for text in _texts(msgspec.to_builtins(request))):
            raise InvalidArgument("cannot use text with a NUL character")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def check_create(completed: Completed) -> None:
    """Check what shows only with the image's configuration. Raises InvalidArgument; Unsupported: ports to publish."""
    check_text(completed.config)
    check_publishing(completed.config.exposed_ports, completed.host)


def check_host(host: HostConfig, machine: Host) -> list[str]:
    """Check limits, policy and rights of a host configuration, also of an updated one; returns warnings."""
    check_restart_policy(host.restart_policy)
    check_capabilities(host, machine.capabilities)
    parse_security_options(host.security_opt)
    if "" in (host.annotations or ()):
        raise InvalidArgument("invalid Annotations: the empty string is not permitted as an annotation key")
    return check_resources(host, machine) + limit_warnings(host, machine)


def check_restart_policy(policy: RestartPolicy) -> None:
    """Raises InvalidArgument for a policy that there is not, or a count that it cannot have."""
    name, count = policy.name, policy.maximum_retry_count
    problem = ""
    if name not in _POLICIES:
        problem = f"unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    elif count and name != "on-failure":
        problem = "maximum retry count can only be used with 'on-failure'"
        if count < 0:
            problem += " and cannot be negative"
    elif count < 0:
        problem = "maximum retry count cannot be negative"
    if problem:
        raise InvalidArgument(f"invalid restart policy: {problem}")


def _check_config(config: ContainerConfig) -> None:
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    signal_number(config.stop_signal, 15)
    for setting in config.env or ():
        if not setting.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {setting}")
    _check_health(config.healthcheck)


def _check_health(check: HealthCheck | None) -> None:
    if check is None:
        return
    for name, value in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if value != 0 and value < _MILLISECOND:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def _check_modes(host: HostConfig) -> None:
    if host.ipc_mode not in ("", "none", "private", "shareable", "host") and not _names_container(host.ipc_mode):
        raise InvalidArgument(f"invalid IPC mode: {host.ipc_mode}")
    if host.pid_mode not in ("", "host") and not _names_container(host.pid_mode):
        raise InvalidArgument(f"invalid PID mode: {host.pid_mode}")
    if host.uts_mode not in ("", "host"):
        raise InvalidArgument(f"invalid UTS mode: {host.uts_mode}")
    if host.cgroupns_mode not in ("", "host", "private"):
        raise InvalidArgument(f"invalid cgroup namespace mode: {host.cgroupns_mode}")
    if host.userns_mode not in ("", "host"):
        raise Unsupported(
            f"cannot use user namespace mode {host.userns_mode}: user namespaces are not supported yet; leave it out"
        )
    if host.runtime not in _RUNTIMES:
        raise InvalidArgument(f"unknown or invalid runtime name: {host.runtime}")
    for option in host.storage_opt or ():
        if option != "size":
            raise InvalidArgument(f"Unknown option {option}")
        raise InvalidArgument("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def _names_container(mode: str) -> bool:
    word, _, reference = mode.partition(":")
    return word == "container" and bool(reference)


def check_log(log: LogConfig) -> None:
    """Raises InvalidArgument for a log driver or an option that there is not, or a value that it cannot have."""
    if log.type == "none":
        return
    if log.type == "local":
        raise Unsupported("the log driver local is not supported: use json-file, whose files are rotated by default")
    if log.type not in ("", "json-file"):
        raise InvalidArgument(f'error looking up logging plugin {log.type}: plugin "{log.type}" not found')
    options = log.config or {}
    for option in options:
        if option not in _LOG_OPTIONS:
            raise InvalidArgument(f"unknown log opt '{option}' for json-file log driver")
    mode = options.get("mode", "blocking")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidArgument(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options and mode != "non-blocking":
        raise InvalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    _check_rotation(options.get("max-size"), options.get("max-file"))


def _check_rotation(size: str | None, files: str | None) -> None:
    if size is not None:
        try:
            count = parse_size(size)
        except ValueError:
            raise InvalidArgument(f"invalid size: '{size}'") from None
        if count != -1 and count <= 0:
            raise InvalidArgument("max-size must be a positive number")
    if files is not None:
        if not re.fullmatch(r"-?[0-9]{1,9}", files):
            raise InvalidArgument(f'strconv.Atoi: parsing "{files}": invalid syntax')
        if int(files) < 1:
            raise InvalidArgument("max-file cannot be less than 1")


def _security_warnings(host: HostConfig, machine: Host) -> list[str]:
    """Where a security module was asked for or is at work, and this engine does not use it."""
    options = parse_security_options(host.security_opt)
    warnings = []
    if options.apparmor not in ("", "unconfined") and not machine.apparmor:
        warnings.append(f"This kernel has no AppArmor: the profile {options.apparmor} has no effect.")
    if machine.selinux_enforcing:
        warnings.append("SELinux is enforcing on this machine, but containers are not labelled yet.")
    return warnings
