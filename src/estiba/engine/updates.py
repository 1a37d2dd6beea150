"""Changing limits and restart policy of a container, also while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from estiba.engine.container_events import container_event
from estiba.engine.request.validate import check_host, check_restart_policy
from estiba.engine.spec.resources import build_resources
from estiba.engine.state import Removing, Running
from estiba.errors import Conflict, InvalidArgument

if TYPE_CHECKING:
    from estiba.engine.config import HostConfig, ResourceUpdate
    from estiba.engine.records import ContainerRecords
    from estiba.linux.host import Host
    from estiba.runtime.create import Runtime


class Updates:
    """Updates containers."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        runtime: Runtime,
        host: Host,
    ) -> None:
        self._records = records
        self._runtime = runtime
        self._host = host

    def update(self, reference: str, change: ResourceUpdate) -> list[str]:
        """Apply what is not zero or null; returns warnings. Nothing changes when one value is refused."""
        container = self._records.get(reference)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, Removing):
                raise Conflict("container is marked for removal and cannot be updated")
            try:
                host = merged(container.host, change)
            except Conflict as error:
                raise Conflict(f"Cannot update container {container.id}: {error}") from None
            if host.auto_remove and host.restart_policy.name not in ("", "no"):
                raise InvalidArgument(
                    f"Cannot update container {container.id}: Restart policy cannot be updated because AutoRemove is "
                    "enabled for the container"
                )
            warnings = check_host(host, self._host)
            if isinstance(container.state, Running):
                cgroup = self._runtime.cgroup(container.id)
                cgroup.update(build_resources(host, self._host))
            updated = replace(container, host=host)
            self._records.put(updated, [container_event(updated, "update")])
        return warnings


def merged(host: HostConfig, change: ResourceUpdate) -> HostConfig:
    """The host configuration with the values of an update that are meant."""
    changes = {
        field: value
        for field, value in msgspec.structs.asdict(change).items()
        if field != "restart_policy" and value not in (None, 0, "")
    }
    if change.pids_limit is not None and change.pids_limit <= 0:
        changes["pids_limit"] = 0
    if change.restart_policy.name:
        check_restart_policy(change.restart_policy)
        changes["restart_policy"] = change.restart_policy
    _check_processors(host, change)
    if change.memory and change.memory_swap == 0 and 0 < host.memory_swap < change.memory:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    return replace(host, **changes)


def _check_processors(host: HostConfig, change: ResourceUpdate) -> None:
    """--cpus and the quota and period that it stands for are not mixed. Raises Conflict."""
    clashes = (
        (change.nano_cpus, "Nano CPUs", host.cpu_period, "CPU Period"),
        (change.nano_cpus, "Nano CPUs", host.cpu_quota, "CPU Quota"),
        (change.cpu_period, "CPU Period", host.nano_cpus, "NanoCPUs"),
        (change.cpu_quota, "CPU Quota", host.nano_cpus, "NanoCPUs"),
    )
    if change.nano_cpus and (change.cpu_period or change.cpu_quota):
        return  # contradicts itself: refused as in a creation
    for wanted, name, there, other in clashes:
        if wanted and there:
            raise Conflict(f"Conflicting options: {name} cannot be updated as {other} has already been set")
