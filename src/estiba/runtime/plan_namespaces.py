"""Namespaces of a container as plan records: which are made, which are joined, and in what order that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported
from estiba.runtime import plan_process
from estiba.runtime.plan_operations import CLONE_FLAGS, NONE, Code, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.oci.runtime_spec import IdMapping, Linux, Process, Spec
    from estiba.runtime.plan_inputs import Descriptors

_SAFE_EARLY_LIMIT: Final = 1024


def clone_and_join(process: Process, descriptors: Descriptors, flags: int = 0) -> list[bytes]:
    """The child, in its cgroups from the start (or as its first act), before anything of the container is seen."""
    directory = NONE if descriptors.cgroup_directory is None else descriptors.cgroup_directory
    records = [encode(Code.CLONE, flags, directory)]
    if descriptors.cgroup_directory is None:
        records += [encode(Code.CGROUP, number) for number in descriptors.cgroup_procs]
    if process.oom_score_adj is not None:
        records.append(plan_process.oom_score(process.oom_score_adj))
    return records


def namespace_flag(kind: str) -> int:
    """CLONE_NEW* of a namespace type of the specification; Unsupported for time."""
    if kind not in CLONE_FLAGS:
        raise Unsupported(f"{kind} namespaces are not supported")
    return CLONE_FLAGS[kind]


class Namespaces:
    """Which namespaces are made and which are joined, and the order in which that can be done.

    Attributes:
        made: types of new ones.
        joined: type to descriptor number.
        own_user: whether the process is not in the host's user namespace.
        joins_pids: whether it becomes visible to other processes of a pid namespace in its last step.
    """

    def __init__(self, linux: Linux, descriptors: Descriptors) -> None:
        self.made: set[str] = set()
        self.joined: dict[str, int] = {}
        self._descriptors = descriptors
        self._linux = linux
        for namespace in linux.namespaces:
            namespace_flag(namespace.type)
            if namespace.path is None:
                self.made.add(namespace.type)
            elif namespace.type == "mount":
                raise Unsupported("a container cannot start in a mount namespace that exists")
            elif namespace.type not in descriptors.namespaces:
                raise InvalidArgument(f"no {namespace.type} namespace to join was given")
            else:
                self.joined[namespace.type] = descriptors.namespaces[namespace.type]
        self.made.add("mount")
        self.own_user = "user" in self.made or "user" in self.joined
        self.joins_pids = "pid" in self.joined

    def enter(self, spec: Spec, keyring: str | None) -> list[bytes]:
        """Everything up to being in all namespaces.

        With a user namespace a first process joins what needs the host's rights, enters it, and makes the rest from
        within, so that they belong to it.
        """
        flags = sum(CLONE_FLAGS[kind] for kind in self.made - {"user", "cgroup"})
        join = [
            encode(Code.SETNS, self.joined[kind], CLONE_FLAGS[kind]) for kind in sorted(self.joined.keys() - {"user"})
        ]
        if self.own_user:
            records = clone_and_join(spec.process, self._descriptors)
            records += [*_early_limits(spec.process), *join, *self._enter_user(spec)]
            records.append(encode(Code.CLONE, flags, NONE))
        else:
            records = clone_and_join(spec.process, self._descriptors, flags) + join
        if keyring:
            records.append(encode(Code.KEYRING, strings=(keyring,)))
        if "cgroup" in self.made:
            records.append(encode(Code.UNSHARE, CLONE_FLAGS["cgroup"]))
        return records

    def _enter_user(self, spec: Spec) -> list[bytes]:
        if "user" in self.joined:
            return [encode(Code.SETNS, self.joined["user"], CLONE_FLAGS["user"])]
        uids, gids = self._linux.uid_mappings, self._linux.gid_mappings
        if not uids or not gids:
            raise InvalidArgument("a user namespace needs uidMappings and gidMappings")
        records = []
        owner = _outside(uids, spec.process.user.uid)
        if owner is not None and not spec.process.terminal:
            records.append(encode(Code.STDIO_OWNER, owner))
        records.append(encode(Code.USERNS, 0, strings=(_map_text(uids), _map_text(gids))))
        return records

    def late(self) -> bytes:
        """The step that makes the process visible in a pid namespace that it joined."""
        return encode(Code.CLONE, 0, NONE) if self.joins_pids else b""


def _map_text(mappings: Sequence[IdMapping]) -> str:
    return "".join(f"{m.container_id} {m.host_id} {m.size}\n" for m in mappings)


def _outside(mappings: Sequence[IdMapping], number: int) -> int | None:
    for mapping in mappings:
        if mapping.container_id <= number < mapping.container_id + mapping.size:
            return mapping.host_id + number - mapping.container_id
    return None


def _early_limits(process: Process) -> list[bytes]:
    """Raising a limit needs the host's rights; lowering one waits, since the set-up itself must not hit it."""
    return [
        encode(Code.RLIMIT, plan_process.rlimit_number(limit.type), limit.hard, limit.hard)
        for limit in process.rlimits
        if limit.hard >= _SAFE_EARLY_LIMIT
    ]
