"""Looking at a running container: its processes, what it uses, how large its files are."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.engine.container_events import container_event
from estiba.engine.state import Container, Restarting, Running
from estiba.errors import Conflict, NotFound, SystemFailure
from estiba.runtime.processes import top

if TYPE_CHECKING:
    from estiba.engine.images import Images
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.runtime.create import Runtime
    from estiba.runtime.processes import Top
    from estiba.runtime.statistics import Statistics


@dataclass(frozen=True)
class StatisticsSample:
    """What a container uses at a moment.

    statistics is None when it does not run; system_cpu is what all of the machine used, in ns.
    """

    container: Container
    time: int
    statistics: Statistics | None
    system_cpu: int
    online_cpus: int


class Observation:
    """Looks at containers."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        runtime: Runtime,
        snapshots: Snapshots,
        images: Images,
    ) -> None:
        self._records = records
        self._runtime = runtime
        self._snapshots = snapshots
        self._images = images

    def top(self, reference: str, ps_args: str = "") -> Top:
        """The processes, with the columns of ps(1). Raises Conflict when it does not run."""
        container = self._records.get(reference)
        if isinstance(container.state, Restarting):
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if not isinstance(container.state, Running):
            raise Conflict(f"container {container.id} is not running")
        result = top(self._runtime.cgroup(container.id).processes(), ps_args)
        self._records.tell(container_event(container, "top"))
        return result

    def statistics(self, reference: str) -> StatisticsSample:
        """One sample."""
        container = self._records.get(reference)
        statistics = None
        if isinstance(container.state, Running):
            cgroup = self._runtime.cgroup(container.id)
            try:
                statistics = cgroup.statistics()
            except SystemFailure:
                if cgroup.exists():
                    raise
        cpus = len(os.sched_getaffinity(0))
        return StatisticsSample(container, time.time_ns(), statistics, _system_cpu(), cpus)

    def sizes(self, reference: str) -> tuple[int, int]:
        """Bytes that the container wrote, and of its whole root file system."""
        container = self._records.get(reference)
        written = self._snapshots.usage(container.id)
        try:
            image = self._images.get(container.image).size
        except NotFound:
            image = 0
        return written, written + image


def _system_cpu() -> int:
    """Nanoseconds that all processors spent on anything but waiting to be counted (proc(5), /proc/stat, first line)."""
    with open("/proc/stat", "rb") as stat:
        fields = stat.readline().split()[1:8]
    return sum(map(int, fields)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
