"""Statistics as Docker shows them, in the shapes of cgroup v1 and v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estiba.api.wire_times import ZERO_TIME, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.runtime.statistics import BlockEntry, CpuUsage, MemoryUsage, Statistics

_BLOCK_NAMES = (
    ("io_service_bytes_recursive", "service_bytes"),
    ("io_serviced_recursive", "serviced"),
    ("io_queue_recursive", "queued"),
    ("io_service_time_recursive", "service_time"),
    ("io_wait_time_recursive", "wait_time"),
    ("io_merged_recursive", "merged"),
    ("io_time_recursive", "time"),
    ("sectors_recursive", "sectors"),
)


def _entries(entries: Sequence[BlockEntry] | None) -> list[dict[str, Any]] | None:
    if entries is None:
        return None
    return [
        {"major": entry.major, "minor": entry.minor, "op": entry.operation, "value": entry.value} for entry in entries
    ]


def _throttling(cpu: CpuUsage | None) -> dict[str, int]:
    return {
        "periods": cpu.periods if cpu else 0,
        "throttled_periods": cpu.throttled_periods if cpu else 0,
        "throttled_time": cpu.throttled_time if cpu else 0,
    }


def _show_cpu(sample: Statistics | None) -> dict[str, Any]:
    if sample is None:
        usage: dict[str, Any] = {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}
        return {"cpu_usage": usage, "throttling_data": _throttling(None)}
    cpu = sample.cpu
    usage = {"total_usage": cpu.total}
    if cpu.percpu:
        usage["percpu_usage"] = cpu.percpu
    usage["usage_in_kernelmode"] = cpu.kernel
    usage["usage_in_usermode"] = cpu.user
    return {
        "cpu_usage": usage,
        "system_cpu_usage": sample.system_cpu,
        "online_cpus": sample.online_cpus,
        "throttling_data": _throttling(cpu),
    }


def _show_memory(memory: MemoryUsage, version: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"usage": memory.usage}
    if version == 1:
        shown["max_usage"] = memory.peak or 0
    shown["stats"] = memory.details
    if version == 1 and memory.failures:
        shown["failcnt"] = memory.failures
    shown["limit"] = memory.limit
    return shown


def show_statistics(
    sample: Statistics | None,
    read_at: int,
    *,
    before: Statistics | None = None,
    before_at: int = 0,
    name: str = "",
    container_id: str = "",
) -> dict[str, Any]:
    """A line of GET /containers/ID/stats.

    Args:
        sample: None for a container that does not run.
        read_at, before_at: ns since the epoch.
        before: the sample before; its times are zero without one.
        name, container_id: shown if given.
    """
    shown: dict[str, Any] = {"name": f"/{name}", "id": container_id} if container_id else {}
    shown["read"] = rfc3339(read_at) if sample else ZERO_TIME
    shown["preread"] = rfc3339(before_at) if before else ZERO_TIME
    if sample is None:
        return shown | {
            "pids_stats": {},
            "blkio_stats": {key: None for key, _ in _BLOCK_NAMES},
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": _show_cpu(None),
            "precpu_stats": _show_cpu(None),
            "memory_stats": {},
        }
    pids = {"current": sample.processes}
    if sample.process_limit is not None:
        pids["limit"] = sample.process_limit
    return shown | {
        "pids_stats": pids,
        "blkio_stats": {key: _entries(getattr(sample.block, field)) for key, field in _BLOCK_NAMES},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _show_cpu(sample),
        "precpu_stats": _show_cpu(before),
        "memory_stats": _show_memory(sample.memory, sample.version),
    }
