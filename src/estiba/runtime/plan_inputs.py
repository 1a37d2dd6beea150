"""What a plan is compiled from besides the specification: streams, log, descriptor numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from estiba.runtime.plan_operations import FIRST_PLANNED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stdio:
    """What is connected to the process's stdin; a terminal is asked for in the specification."""

    open_stdin: bool = False
    stdin_once: bool = False


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where the container's output is written.

    Attributes:
        directory: its directory, given to the shim as a descriptor.
        name: the file's name in it.
        max_size: bytes after which a new file is begun; -1: never.
        max_files: how many files are kept.
    """

    directory: Path
    name: str
    max_size: int
    max_files: int


@dataclass(frozen=True, slots=True)
class Descriptors:
    """What lies at which descriptor number when the shim starts. Numbers are 8 and up.

    Attributes:
        cgroup_procs: cgroup.procs files that the process joins (v1: one per hierarchy; v2: one, or by directory).
        cgroup_directory: the v2 cgroup's directory, in which the process is born.
        shims_cgroup: cgroup.procs files that the shim itself joins.
        oom_watch: an eventfd (v1) or memory.events (v2) that tells of OOM kills; oom_unified says which.
        oom_count: a file that has the line `oom_kill N`.
        namespaces: type of the specification (`network`) to a namespace file or pidfd to join.
        sources: destination of a bind mount to its source, opened with O_PATH in the engine's mount namespace.
        trees: destination of a mount to a detached mount (open_tree, fsmount) that is attached there as it is.
        idmaps: destination of a mount with id mappings to the user namespace that has them.
        first_free: one more than the highest number in use.
    """

    cgroup_procs: tuple[int, ...] = ()
    cgroup_directory: int | None = None
    shims_cgroup: tuple[int, ...] = ()
    oom_watch: int | None = None
    oom_count: int | None = None
    oom_unified: bool = False
    namespaces: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    trees: Mapping[str, int] = field(default_factory=dict)
    idmaps: Mapping[str, int] = field(default_factory=dict)
    first_free: int = FIRST_PLANNED
