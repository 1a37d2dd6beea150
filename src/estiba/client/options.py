"""What `run` and `create` take as keywords, and what that means in Docker's terms."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from estiba.engine.config import ContainerConfig, DeviceMapping, HostConfig, RestartPolicy, Ulimit
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from os import PathLike

Command = str | Sequence[str] | None
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Options(TypedDict, total=False):
    """Keywords of run, start and create. Sizes are bytes or texts like "512m"; cpus may be a fraction.

    volumes: host path or volume name → path in the container, with ":ro" behind it to make it read-only.
    ulimits: name → (soft, hard). restart: "no", "always", "unless-stopped", "on-failure[:N]".
    """

    name: str
    entrypoint: Command
    env: Mapping[str, str]
    workdir: str
    user: str
    hostname: str
    labels: Mapping[str, str]
    tty: bool
    stdin: bool
    network: str
    volumes: Mapping[str | PathLike[str], str]
    tmpfs: Sequence[str]
    read_only: bool
    memory: int | str
    cpus: float
    pids: int
    shm_size: int | str
    privileged: bool
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opt: Sequence[str]
    devices: Sequence[str]
    ulimits: Mapping[str, tuple[int, int]]
    sysctls: Mapping[str, str]
    init: bool
    restart: str
    stop_signal: str
    stop_timeout: int
    platform: str


def words(command: Command) -> list[str] | None:
    """A command as words; a text is split as a shell would."""
    if command is None:
        return None
    return shlex.split(command) if isinstance(command, str) else list(command)


def size(value: int | str) -> int:
    """Bytes of 512, "512m", "1g". Raises InvalidArgument."""
    if isinstance(value, int):
        return value
    text = value.strip().lower().removesuffix("b") or "x"
    unit = text[-1] if text[-1] in _UNITS else ""
    try:
        return int(float(text.removesuffix(unit)) * _UNITS[unit])
    except ValueError:
        raise InvalidArgument(f"invalid size: {value!r}; use bytes, or a number with k, m, g or t") from None


def container_config(image: str, command: Command, options: Options) -> ContainerConfig:
    """The part that belongs to the program. Raises TypeError for a keyword that there is not."""
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"unknown option: {', '.join(unknown)}; there are {', '.join(sorted(Options.__annotations__))}")
    stdin = options.get("stdin", False)
    return ContainerConfig(
        image=image,
        cmd=words(command),
        entrypoint=words(options.get("entrypoint")),
        env=[f"{name}={value}" for name, value in options.get("env", {}).items()] or None,
        working_dir=options.get("workdir", ""),
        user=options.get("user", ""),
        hostname=options.get("hostname", ""),
        labels=dict(options.get("labels", {})),
        tty=options.get("tty", False),
        open_stdin=stdin,
        stdin_once=stdin,
        attach_stdin=stdin,
        attach_stdout=True,
        attach_stderr=True,
        stop_signal=options.get("stop_signal", ""),
        stop_timeout=options.get("stop_timeout"),
    )


def host_config(options: Options) -> HostConfig:
    """The part that belongs to this machine."""
    return HostConfig(
        binds=[_bind(source, target) for source, target in options.get("volumes", {}).items()] or None,
        tmpfs={path.partition(":")[0]: path.partition(":")[2] for path in options.get("tmpfs", ())} or None,
        network_mode=options.get("network", "default"),
        readonly_rootfs=options.get("read_only", False),
        memory=size(options.get("memory", 0)),
        nano_cpus=int(options.get("cpus", 0) * 1_000_000_000),
        pids_limit=options.get("pids"),
        shm_size=size(options.get("shm_size", 0)),
        privileged=options.get("privileged", False),
        cap_add=list(options.get("cap_add", ())) or None,
        cap_drop=list(options.get("cap_drop", ())) or None,
        security_opt=list(options.get("security_opt", ())) or None,
        devices=[_device(text) for text in options.get("devices", ())] or None,
        ulimits=[Ulimit(name=name, soft=pair[0], hard=pair[1]) for name, pair in options.get("ulimits", {}).items()]
        or None,
        sysctls=dict(options.get("sysctls", {})) or None,
        init=options.get("init"),
        restart_policy=_restart(options.get("restart", "no")),
    )


def _bind(source: str | PathLike[str], target: str) -> str:
    return f"{source if isinstance(source, str) else source.__fspath__()}:{target}"


def _device(text: str) -> DeviceMapping:
    host, _, rest = text.partition(":")
    inside, _, access = rest.partition(":")
    return DeviceMapping(path_on_host=host, path_in_container=inside or host, cgroup_permissions=access or "rwm")


def _restart(text: str) -> RestartPolicy:
    name, _, count = text.partition(":")
    return RestartPolicy(name=name, maximum_retry_count=int(count) if count.isdecimal() else 0)
