"""Which of the limits asked for this machine can give; the rest is dropped with Docker's warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from estiba.linux.host import Host
    from estiba.oci.runtime_spec import BlockIO, Cpu, Memory, Resources


def check(resources: Resources, host: Host) -> tuple[Resources, list[str]]:
    """What of the resources this machine can give, and Docker's warning for each that it cannot."""
    warnings: list[str] = []
    memory = _check_memory(resources.memory, host, warnings)
    pids = resources.pids
    if pids is not None and pids.limit > 0 and not host.limits.pids:
        warnings.append(_NO_PIDS)
        pids = None
    cpu = _check_cpu(resources.cpu, host, warnings)
    block = _check_block(resources.block_io, host, warnings)
    changed = msgspec.structs.replace(resources, memory=memory, pids=pids, cpu=cpu, block_io=block)
    return changed, warnings


_MOUNTED: Final = "or the cgroup is not mounted."
_NO: Final = "Your kernel does not support"
_NO_PIDS: Final = f"{_NO} PIDs limit capabilities {_MOUNTED} PIDs limit discarded."
_NO_MEMORY: Final = f"{_NO} memory limit capabilities {_MOUNTED} Limitation discarded."
_NO_SWAP: Final = f"{_NO} swap limit capabilities {_MOUNTED} Memory limited without swap."
_NO_SWAPPINESS: Final = f"{_NO} memory swappiness capabilities {_MOUNTED} Memory swappiness discarded."
_NO_RESERVATION: Final = f"{_NO} memory soft limit capabilities {_MOUNTED} Limitation discarded."
_NO_OOM_CONTROL: Final = f"{_NO} OomKillDisable. OomKillDisable discarded."
_OOM_UNLIMITED: Final = (
    "OOM killer is disabled for the container, but no memory limit is set, "
    "this can result in the system running out of resources."
)
_NO_SHARES: Final = f"{_NO} CPU shares {_MOUNTED} Shares discarded."
_NO_CFS: Final = f"{_NO} CPU CFS scheduler. CPU period/quota discarded."
_NO_CPUSET: Final = f"{_NO} cpuset {_MOUNTED} Cpuset discarded."
_NO_WEIGHT: Final = f"{_NO} Block I/O weight {_MOUNTED} Weight discarded."
_NO_WEIGHT_DEVICE: Final = f"{_NO} Block I/O weight_device {_MOUNTED} Weight-device discarded."
_NO_THROTTLE: Final = {
    "throttle_read_bps_device": f"{_NO} BPS Block I/O read limit {_MOUNTED} Block I/O BPS read limit discarded.",
    "throttle_write_bps_device": f"{_NO} BPS Block I/O write limit {_MOUNTED} Block I/O BPS write limit discarded.",
    "throttle_read_iops_device": f"{_NO} IOPS Block read limit {_MOUNTED} Block I/O IOPS read limit discarded.",
    "throttle_write_iops_device": f"{_NO} IOPS Block write limit {_MOUNTED} Block I/O IOPS write limit discarded.",
}


def _check_memory(memory: Memory | None, host: Host, warnings: list[str]) -> Memory | None:
    if memory is None:
        return None
    limits = host.limits
    if memory.limit and memory.limit > 0 and not limits.memory:
        warnings.append(_NO_MEMORY)
        memory = msgspec.structs.replace(memory, limit=None, swap=None)
    if memory.limit and memory.limit > 0 and memory.swap and not limits.swap:
        if memory.swap != -1:
            warnings.append(_NO_SWAP)
        memory = msgspec.structs.replace(memory, swap=None)
    if memory.swappiness is not None and memory.swappiness >= 0 and not limits.swappiness:
        warnings.append(_NO_SWAPPINESS)
        memory = msgspec.structs.replace(memory, swappiness=None)
    if memory.reservation and not limits.reservation:
        warnings.append(_NO_RESERVATION)
        memory = msgspec.structs.replace(memory, reservation=None)
    if memory.disable_oom_killer:
        if not limits.oom_kill_disable:
            warnings.append(_NO_OOM_CONTROL)
            memory = msgspec.structs.replace(memory, disable_oom_killer=None)
        elif not memory.limit:
            warnings.append(_OOM_UNLIMITED)
    return memory


def _check_cpu(cpu: Cpu | None, host: Host, warnings: list[str]) -> Cpu | None:
    if cpu is None:
        return None
    limits = host.limits
    if cpu.shares and not limits.cpu_shares:
        warnings.append(_NO_SHARES)
        cpu = msgspec.structs.replace(cpu, shares=None)
    if (cpu.quota or cpu.period) and not limits.cpu_cfs:
        warnings.append(_NO_CFS)
        cpu = msgspec.structs.replace(cpu, quota=None, period=None)
    if (cpu.cpus or cpu.mems) and not limits.cpuset:
        warnings.append(_NO_CPUSET)
        cpu = msgspec.structs.replace(cpu, cpus=None, mems=None)
    return cpu


def _check_block(block: BlockIO | None, host: Host, warnings: list[str]) -> BlockIO | None:
    if block is None:
        return None
    limits = host.limits
    if block.weight and not limits.blkio_weight:
        warnings.append(_NO_WEIGHT)
        block = msgspec.structs.replace(block, weight=None)
    if block.weight_device and not limits.blkio_weight_device:
        warnings.append(_NO_WEIGHT_DEVICE)
        block = msgspec.structs.replace(block, weight_device=[])
    if not limits.blkio_throttle:
        for field, warning in _NO_THROTTLE.items():
            if getattr(block, field):
                warnings.append(warning)
                block = msgspec.structs.replace(block, **{field: []})
    return block
