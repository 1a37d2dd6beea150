"""The process part of a specification: command, identity, environment, rights, limits; for starts and for execs."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.engine.spec.environment import build_environment
from estiba.engine.spec.security import all_capabilities
from estiba.errors import StartFailed
from estiba.oci.runtime_spec import Box, Capabilities, Process, Rlimit
from estiba.oci.runtime_spec import User as SpecUser
from estiba.runtime.plan_explain import START, refused
from estiba.runtime.plan_process import RLIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.engine.config import ExecConfig, HostConfig, Ulimit
    from estiba.engine.spec.launch import Launch
    from estiba.engine.spec.security import SecurityOptions
    from estiba.engine.spec.users import User
    from estiba.engine.state import Container
    from estiba.linux.host import Host

INIT_TARGET: Final = "/sbin/docker-init"
UMASK: Final = 0o022
_UNLIMITED: Final = (1 << 64) - 1  # RLIM_INFINITY


def build_process(container: Container, launch: Launch, options: SecurityOptions, capabilities: list[str]) -> Process:
    """The container's first process. Raises StartFailed for limits that this machine cannot give."""
    config, host = container.config, container.host
    words = [container.path, *container.args]
    return Process(
        args=[INIT_TARGET, "--", *words] if launch.init else words,
        cwd=config.working_dir or "/",
        env=build_environment(
            config.env or (),
            hostname=launch.hostname or config.hostname,
            terminal=config.tty,
            home=launch.user.home,
        ),
        terminal=config.tty,
        console_size=_console_size(config.tty, host.console_size),
        user=_user(launch.user),
        capabilities=_capabilities(capabilities),
        rlimits=build_rlimits(host.ulimits or (), launch.host),
        no_new_privileges=options.no_new_privileges,
        oom_score_adj=_oom_score(host, launch.host),
        apparmor_profile=_apparmor(host, options, launch.host),
    )


def build_exec_process(
    container: Container, config: ExecConfig, user: User, started: Process, machine: Host
) -> Process:
    """An additional process; `started` is the container's first one, whose rights it has unless privileged.

    The environment is made anew, so that what only the first process got (TERM, HOME) follows this one's terminal and
    user. Raises StartFailed for a variable without a name.
    """
    if any(setting.startswith("=") for setting in config.env or ()):
        raise refused(
            "unable to start container process: invalid environment variable: name cannot be empty", is_exec=True
        )
    hostname = next(
        (setting.partition("=")[2] for setting in started.env if setting.startswith("HOSTNAME=")),
        container.config.hostname,
    )
    return Process(
        args=config.cmd or [],
        cwd=config.working_dir or container.config.working_dir or "/",
        env=build_environment(
            container.config.env or (),
            hostname=hostname,
            terminal=config.tty,
            home=user.home,
            extra=config.env or (),
        ),
        terminal=config.tty,
        console_size=_console_size(config.tty, config.console_size or (0, 0)),
        user=_user(user),
        capabilities=(
            _capabilities(all_capabilities(machine.capabilities)) if config.privileged else started.capabilities
        ),
        rlimits=started.rlimits,
        no_new_privileges=started.no_new_privileges,
        oom_score_adj=started.oom_score_adj,
        apparmor_profile=None if config.privileged else started.apparmor_profile,
    )


def _console_size(terminal: bool, size: tuple[int, int]) -> Box | None:
    rows, columns = size
    return Box(height=rows, width=columns) if terminal and (rows or columns) else None


def _user(user: User) -> SpecUser:
    return SpecUser(uid=user.uid, gid=user.gid, umask=UMASK, additional_gids=list(user.groups))


def _capabilities(names: list[str]) -> Capabilities:
    """Inheritable and ambient stay empty (CVE-2022-24769); who is not root loses the others at execve."""
    return Capabilities(bounding=names, effective=names, permitted=names)


def _apparmor(host: HostConfig, options: SecurityOptions, machine: Host) -> str | None:
    if not machine.apparmor or host.privileged or options.apparmor in ("", "unconfined"):
        return None
    return options.apparmor


def _oom_score(host: HostConfig, machine: Host) -> int:
    """Always set, so that an engine's own protection is not inherited. Raises StartFailed where it may not go down."""
    wanted = host.oom_score_adj
    if wanted < 0 and not machine.can_raise_limits and wanted < _own_oom_score():
        raise StartFailed(
            f"{START}cannot set the OOM score adjustment to {wanted}: operation not permitted: this engine has "
            f"{_own_oom_score()}, and less needs CAP_SYS_RESOURCE, which it does not have",
            exit_code=128,
            status=500,
        )
    return wanted


def _own_oom_score() -> int:
    return int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))


def build_rlimits(ulimits: Iterable[Ulimit], machine: Host) -> list[Rlimit]:
    """The limits that were asked for. Raises StartFailed for an unknown one, and for one that cannot be raised here."""
    found = []
    for limit in ulimits:
        kind = f"RLIMIT_{limit.name.upper()}"
        if kind not in RLIMITS:
            raise refused(f"wrong rlimit value: {kind}")
        wanted = Rlimit(type=kind, hard=limit.hard & _UNLIMITED, soft=limit.soft & _UNLIMITED)
        if not machine.can_raise_limits:
            _check_possible(wanted)
        found.append(wanted)
    return found


def _check_possible(wanted: Rlimit) -> None:
    number = RLIMITS[wanted.type]
    most = resource.getrlimit(number)[1] & _UNLIMITED
    if wanted.hard > most:
        name = wanted.type.removeprefix("RLIMIT_").lower()
        raise StartFailed(
            f"{START}error setting rlimits for ready process: error setting rlimit type {number}: operation not "
            f"permitted: ulimit {name}={_shown(wanted.soft)}:{_shown(wanted.hard)} was asked for, but without "
            f"CAP_SYS_RESOURCE this engine cannot raise the hard limit above its own: {_shown(most)} is the most",
            exit_code=128,
            status=500,
        )


def _shown(value: int) -> str:
    return "unlimited" if value == _UNLIMITED else str(value)
