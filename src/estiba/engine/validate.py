"""What a create request may not say, in Docker's words. Everything is checked before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.engine.etcfiles import split_host
from estiba.engine.logs import parse_size
from estiba.engine.publishing import check_ports
from estiba.engine.security import check_capabilities, parse_security_options
from estiba.engine.signals import signal_number
from estiba.engine.spec_resources import build_resources
from estiba.engine.validate_resources import check_resources
from estiba.errors import InvalidArgument, NotFound, Unsupported
from estiba.runtime.limits import check

if TYPE_CHECKING:
    from estiba.engine.config import HealthCheck, HostConfig, RestartPolicy
    from estiba.engine.merge import Completed
    from estiba.linux.host import Host

_POLICIES: Final = ("no", "always", "on-failure", "unless-stopped")
_LOG_OPTIONS: Final = frozenset(
    {"max-size", "max-file", "labels", "labels-regex", "env", "env-regex", "tag", "compress", "mode", "max-buffer-size"}
)
_RUNTIMES: Final = ("runc", "io.containerd.runc.v2", "estiba")
_MILLISECOND: Final = 1_000_000


def check_create(completed: Completed, machine: Host) -> list[str]:
    """Check a whole request; returns warnings. Raises InvalidArgument, Unsupported, NotFound (a log driver)."""
    config, host = completed.config, completed.host
    for setting in config.env or []:
        if setting.startswith("=") or not setting:
            raise InvalidArgument(f"invalid environment variable: {setting}")
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    signal_number(config.stop_signal, 15)
    _check_health(config.healthcheck)
    _check_modes(completed)
    check_ports(config.exposed_ports, host)
    return check_host(host, machine)


def check_host(host: HostConfig, machine: Host) -> list[str]:
    """Check a host configuration (also an updated one); returns warnings."""
    check_resources(host, machine)
    check_capabilities(host, machine.capabilities)
    parse_security_options(host.security_opt)
    check_restart_policy(host.restart_policy)
    if host.auto_remove and host.restart_policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
    for entry in host.extra_hosts or []:
        split_host(entry)
    _check_log(host)
    _check_later(host)
    return check(build_resources(host, machine), machine)[1]


def check_restart_policy(policy: RestartPolicy) -> None:
    """Raises InvalidArgument for a policy that there is not, or a count that it cannot have."""
    name, count = policy.name or "no", policy.maximum_retry_count
    if name not in _POLICIES:
        choices = "'no', 'always', 'on-failure', or 'unless-stopped'"
        raise InvalidArgument(f"invalid restart policy: unknown policy '{name}'; use one of {choices}")
    if count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if count and name != "on-failure":
        raise InvalidArgument("invalid restart policy: maximum retry count can only be used with 'on-failure'")


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


def _check_modes(completed: Completed) -> None:
    host = completed.host
    if host.uts_mode not in ("", "host"):
        raise InvalidArgument(f"invalid UTS mode: {host.uts_mode}")
    if host.pid_mode not in ("", "host") and not _names_container(host.pid_mode):
        raise InvalidArgument(f"invalid PID mode: {host.pid_mode}")
    if host.ipc_mode not in ("none", "private", "shareable", "host") and not _names_container(host.ipc_mode):
        raise InvalidArgument(f"invalid IPC mode: {host.ipc_mode}")
    if host.cgroupns_mode not in ("host", "private"):
        raise InvalidArgument(f"invalid cgroup namespace mode: {host.cgroupns_mode}")
    if host.userns_mode not in ("", "host"):
        raise InvalidArgument(
            "invalid user namespace mode: user namespaces are not remapped by this engine; use 'host'"
        )


def check_conflicts(hostname: str, host: HostConfig) -> None:
    """Raises InvalidArgument for a hostname that the modes do not allow; before defaults are filled in."""
    if not hostname:
        return
    if host.uts_mode == "host":
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if host.network_mode.startswith("container:"):
        raise InvalidArgument("conflicting options: hostname and the network mode")


def _names_container(mode: str) -> bool:
    return mode.startswith("container:") and len(mode) > len("container:")


def _check_log(host: HostConfig) -> None:
    kind, options = host.log_config.type, host.log_config.config or {}
    if kind not in ("json-file", "local", "none"):
        raise NotFound(f'error looking up logging plugin {kind}: plugin "{kind}" not found')
    if kind == "local":
        raise Unsupported("the log driver `local` is not supported; use json-file, which rotates by default")
    if kind == "none":
        return
    for option in options:
        if option not in _LOG_OPTIONS:
            raise InvalidArgument(f"unknown log opt '{option}' for {kind} log driver")
    try:
        parse_size(options.get("max-size", "-1"))
    except ValueError:
        raise InvalidArgument(f"invalid size: '{options['max-size']}'") from None
    files = options.get("max-file", "1")
    if not files.isdecimal() or int(files) < 1:
        raise InvalidArgument("max-file cannot be less than 1")


def _check_later(host: HostConfig) -> None:
    """What Estiba cannot do yet is refused, never ignored."""
    if host.runtime not in _RUNTIMES:
        raise InvalidArgument(f"unknown or invalid runtime name: {host.runtime}")
    mode = host.network_mode
    if mode not in ("bridge", "host", "none") and not mode.startswith("container:"):
        raise Unsupported(f"cannot use network {mode}: user-defined networks are not supported yet; use none or host")
    if host.links:
        raise Unsupported("cannot link containers: networks between containers are not supported yet")
    if host.device_requests:
        raise Unsupported('could not select device driver "" with capabilities: device requests are not supported')
    if host.isolation not in ("", "default"):
        raise InvalidArgument(f"invalid isolation ({host.isolation}): only 'default' is supported")
    if host.storage_opt:
        raise InvalidArgument("--storage-opt is not supported: the overlay storage has no options")
    if host.volume_driver not in ("", "local"):
        raise NotFound(f'error looking up volume plugin {host.volume_driver}: plugin "{host.volume_driver}" not found')
    for name in ("io_maximum_iops", "io_maximum_bandwidth", "cpu_count", "cpu_percent"):
        if getattr(host, name):
            raise InvalidArgument("invalid option: IO and CPU counts of this kind exist on Windows only")
