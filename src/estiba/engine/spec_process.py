"""The process part of a specification: command, identity, environment, rights, limits; for starts and for execs."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from estiba.engine.environment import apply, build_environment
from estiba.errors import StartFailed
from estiba.oci.runtime_spec import Box, Capabilities, Process, Rlimit
from estiba.oci.runtime_spec import User as SpecUser

if TYPE_CHECKING:
    from estiba.engine.config import ExecConfig, HostConfig
    from estiba.engine.launch import Launch
    from estiba.engine.security import SecurityOptions
    from estiba.engine.state import Container
    from estiba.engine.users import User
    from estiba.linux.host import Host

INIT_TARGET: Final = "/sbin/docker-init"
_LIMITS: Final = {
    name.removeprefix("RLIMIT_").lower(): name
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}
_KERNEL_LIMITS: Final = {"locks": 10}
_WRONG: Final = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
)


def build_process(container: Container, launch: Launch, options: SecurityOptions, capabilities: list[str]) -> Process:
    """The container's first process."""
    config, host = container.config, container.host
    words = [container.path, *container.args]
    rows, columns = host.console_size
    return Process(
        args=[INIT_TARGET, "--", *words] if launch.init else words,
        cwd=config.working_dir or "/",
        env=build_environment(config.env or [], hostname=config.hostname, terminal=config.tty, home=launch.user.home),
        terminal=config.tty,
        console_size=Box(height=rows, width=columns) if config.tty and rows and columns else None,
        user=_user(launch.user),
        capabilities=_capabilities(capabilities, launch.user),
        rlimits=build_rlimits(host, launch.host),
        no_new_privileges=options.no_new_privileges,
        oom_score_adj=host.oom_score_adj or None,
        apparmor_profile=options.apparmor if options.apparmor and launch.host.apparmor else None,
    )


def build_exec_process(
    container: Container, config: ExecConfig, user: User, started: Process, machine: Host
) -> Process:
    """An additional process; `started` is the container's first one, whose rights it has unless privileged."""
    if config.working_dir and not config.working_dir.startswith("/"):
        raise StartFailed("Cwd must be an absolute path", exit_code=128, status=400)
    variables = dict(setting.partition("=")[::2] for setting in started.env)
    if not config.user or config.user == container.config.user:
        home = variables.get("HOME", user.home)
    else:
        home = user.home
    variables.pop("HOME", None)
    if config.tty:
        variables.setdefault("TERM", "xterm")
    apply(variables, config.env or [])
    variables.setdefault("HOME", home)
    bounding = started.capabilities.bounding if started.capabilities is not None else []
    names = sorted(machine.capabilities) if config.privileged else bounding
    size = config.console_size
    return Process(
        args=config.cmd or [],
        cwd=config.working_dir or container.config.working_dir or "/",
        env=[f"{name}={value}" for name, value in variables.items()],
        terminal=config.tty,
        console_size=Box(height=size[0], width=size[1]) if config.tty and size and all(size) else None,
        user=_user(user),
        capabilities=_capabilities(names, user),
        rlimits=started.rlimits,
        no_new_privileges=started.no_new_privileges,
        oom_score_adj=started.oom_score_adj,
        apparmor_profile=started.apparmor_profile,
    )


def _user(user: User) -> SpecUser:
    return SpecUser(uid=user.uid, gid=user.gid, additional_gids=list(user.groups))


def _capabilities(names: list[str], user: User) -> Capabilities:
    """Inheritable and ambient stay empty; whoever is not root loses the others at execve, but for the bounding set."""
    held = names if user.uid == 0 else []
    return Capabilities(bounding=names, effective=held, permitted=held)


def build_rlimits(host: HostConfig, machine: Host) -> list[Rlimit]:
    """The limits that were asked for. Raises StartFailed for an unknown one, or one that cannot be raised here."""
    found = []
    for limit in host.ulimits or []:
        name = _LIMITS.get(limit.name.lower())
        if name is None and limit.name not in _KERNEL_LIMITS:
            raise StartFailed(f"{_WRONG}wrong rlimit value: RLIMIT_{limit.name.upper()}", exit_code=128, status=500)
        if name is not None:
            _check_possible(limit.name, name, limit.hard, machine)
        found.append(
            Rlimit(type=f"RLIMIT_{limit.name.upper()}", hard=_unsigned(limit.hard), soft=_unsigned(limit.soft))
        )
    return found


def _check_possible(shown: str, name: str, wanted: int, machine: Host) -> None:
    if "CAP_SYS_RESOURCE" in machine.effective:
        return
    most = resource.getrlimit(getattr(resource, name))[1]
    if most != resource.RLIM_INFINITY and (wanted < 0 or wanted > most):
        raise StartFailed(
            f"{_WRONG}unable to start container process: error during container init: error setting rlimits for ready "
            f"process: error setting rlimit type {getattr(resource, name)}: operation not permitted: the hard limit "
            f"{shown}={wanted} is above this engine's {most}, which it may not raise without CAP_SYS_RESOURCE",
            exit_code=128,
            status=500,
        )


def _unsigned(value: int) -> int:
    return (1 << 64) - 1 if value < 0 else value
