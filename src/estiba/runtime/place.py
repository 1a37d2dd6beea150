"""What a new process is put into, opened here and numbered for the plan: its cgroup, namespaces and ready mounts."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from estiba.errors import Conflict, InvalidArgument
from estiba.linux import pidfd
from estiba.runtime.plan import Descriptors
from estiba.runtime.protocol import FD_PLANNED
from estiba.runtime.trees import open_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.oci.runtime_spec import Spec
    from estiba.runtime.cgroups import Cgroup
    from estiba.runtime.start import Numbers

_OF_PROCESS: Final = re.compile(r"/proc/(\d+)/(ns/[a-z_]+)")


def open_place(
    numbers: Numbers,
    cgroup: Cgroup | None,
    shims: Sequence[int],
    spec: Spec | None,
    *,
    overlay_layers: bool = True,
) -> Descriptors:
    """The descriptors of a cgroup (None: it stays in the engine's) and of what a specification joins and mounts.

    shims are the descriptors by which shims leave the engine's cgroup (`CgroupDriver.shims_join_fds`), not given away.

    overlay_layers: as for compile_plan. Raises Conflict when a namespace's process is gone, InvalidArgument when a path
    is none, SystemFailure when a mount that has to be made before cannot.
    """
    shims_cgroup = tuple(map(numbers.share, shims))
    namespaces = _namespaces(numbers, spec) if spec is not None else {}
    trees = open_trees(numbers, spec, overlay_layers=overlay_layers) if spec is not None else {}
    watch = count = directory = None
    procs: tuple[int, ...] = ()
    if cgroup is not None:
        directory = _number(numbers, cgroup.directory_fd())
        if directory is None:
            procs = tuple(numbers.add(fd) for fd in cgroup.join_fds())
        if spec is not None:
            watch = _number(numbers, cgroup.oom_watch())
            count = None if watch is None else numbers.add(cgroup.oom_fd())
    return Descriptors(
        cgroup_procs=procs,
        cgroup_directory=directory,
        shims_cgroup=shims_cgroup,
        oom_watch=watch,
        oom_count=count,
        oom_unified=directory is not None,
        namespaces=namespaces,
        trees=trees,
        first_free=FD_PLANNED + len(numbers.sources),
    )


def _number(numbers: Numbers, descriptor: int | None) -> int | None:
    return None if descriptor is None else numbers.add(descriptor)


def _namespaces(numbers: Numbers, spec: Spec) -> dict[str, int]:
    return {
        namespace.type: numbers.add(_open_namespace(namespace.type, namespace.path))
        for namespace in spec.linux.namespaces
        if namespace.path is not None
    }


def _open_namespace(kind: str, path: str) -> int:
    match = _OF_PROCESS.fullmatch(path)
    try:
        if match is not None:
            return pidfd.open_of_process(int(match[1]), match[2])
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except ProcessLookupError:
        raise Conflict(f"cannot join the {kind} namespace of a non running container") from None
    except OSError as error:
        if match is not None and isinstance(error, FileNotFoundError):
            raise Conflict(f"cannot join the {kind} namespace of a non running container") from None
        raise InvalidArgument(f"cannot join the {kind} namespace {path}: {error.strerror}") from error
