"""Limits in cgroup v1's words: which file takes what, and in which order."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, SystemFailure
from estiba.linux import cgroupfs
from estiba.runtime import devices
from estiba.runtime.cgroup import failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from estiba.oci.runtime_spec import BlockIO, Cpu, DeviceCgroup, Memory, Resources, ThrottleDevice


class ControlFiles:
    """The control files of one cgroup in all v1 hierarchies; controllers maps a name to its mount's descriptor."""

    def __init__(self, path: str, controllers: Mapping[str, int]) -> None:
        self.path = path
        self._place = path.lstrip("/")
        self._controllers = controllers

    def text(self, controller: str, file: str) -> str:
        """A file's text; "" where the file, the cgroup or the controller is not there."""
        root = self._controllers.get(controller)
        if root is None:
            return ""
        try:
            return cgroupfs.read(f"{self._place}/{file}", root)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                return ""
            raise failure(f"read {file} of {self.path}", error) from None

    def has(self, controller: str, file: str) -> bool:
        """Whether there is such a file."""
        root = self._controllers.get(controller)
        return root is not None and os.access(f"{self._place}/{file}", os.F_OK, dir_fd=root)

    def raw_write(self, controller: str, file: str, value: str) -> None:
        """Write a value; OSError of the kernel, SystemFailure without the controller."""
        cgroupfs.write(f"{self._place}/{file}", value, self._root(controller, file))

    def write(self, controller: str, file: str, value: str) -> None:
        """Write a value; SystemFailure says what the kernel did not take."""
        try:
            self.raw_write(controller, file, value)
        except OSError as error:
            raise failure(f"set {file} of {self.path} to {value}", error) from None

    def write_all(self, controller: str, file: str, values: list[str]) -> None:
        """Write several values, one system call each."""
        try:
            cgroupfs.write_all(f"{self._place}/{file}", values, self._root(controller, file))
        except OSError as error:
            raise failure(f"set {file} of {self.path}", error) from None

    def _root(self, controller: str, file: str) -> int:
        root = self._controllers.get(controller)
        if root is None:
            raise SystemFailure(f"cannot set {file} of {self.path}: the {controller} controller is not mounted")
        return root


def write_limits(files: ControlFiles, resources: Resources) -> None:
    """Write every limit that is given; None, and 0 where that is no limit of its own, leave things as they are."""
    if resources.unified:
        raise InvalidArgument("this machine has cgroup v1: `unified` resources are for v2 only")
    if resources.memory is not None:
        _memory(files, resources.memory)
    if resources.cpu is not None:
        _cpu(files, resources.cpu)
    if resources.pids is not None and resources.pids.limit != 0:
        limit = resources.pids.limit
        files.write("pids", "pids.max", str(limit) if limit > 0 else "max")
    if resources.block_io is not None:
        _block(files, resources.block_io)


def _memory(files: ControlFiles, memory: Memory) -> None:
    _memory_and_swap(files, memory.limit or None, memory.swap or None)
    if memory.reservation:
        files.write("memory", "memory.soft_limit_in_bytes", str(memory.reservation))
    if memory.kernel_tcp:
        files.write("memory", "memory.kmem.tcp.limit_in_bytes", str(memory.kernel_tcp))
    if memory.swappiness is not None and memory.swappiness >= 0:
        files.write("memory", "memory.swappiness", str(memory.swappiness))
    if memory.disable_oom_killer is not None:
        current = cgroupfs.flat_keyed(files.text("memory", "memory.oom_control")).get("oom_kill_disable", 0)
        if bool(current) != memory.disable_oom_killer:
            files.write("memory", "memory.oom_control", str(int(memory.disable_oom_killer)))


def _memory_and_swap(files: ControlFiles, limit: int | None, swap: int | None) -> None:
    """The kernel demands limit ≤ memory+swap at every step, so the order depends on where both are now."""
    if limit == -1 and swap is None:
        swap = -1
    swap_first = False
    if limit is not None and swap is not None:
        current = int(files.text("memory", "memory.limit_in_bytes") or 0)
        swap_first = swap == -1 or current < swap
    steps = [("memory.limit_in_bytes", limit), ("memory.memsw.limit_in_bytes", swap)]
    for file, value in reversed(steps) if swap_first else steps:
        if value is not None:
            _write_memory(files, file, value)


def _write_memory(files: ControlFiles, file: str, value: int) -> None:
    try:
        files.raw_write("memory", file, str(value))
    except OSError as error:
        if (
            error.errno == errno.ENOENT
            and file.startswith("memory.memsw")
            and files.has("memory", "memory.limit_in_bytes")
        ):
            return  # the kernel does not count swap: check() has said so
        if error.errno != errno.EBUSY:
            raise failure(f"set {file} of {files.path} to {value}", error) from None
        usage = files.text("memory", "memory.usage_in_bytes")
        peak = files.text("memory", "memory.max_usage_in_bytes")
        raise SystemFailure(
            f"unable to set memory limit to {value} (current usage: {usage}, peak usage: {peak})"
        ) from None


def _cpu(files: ControlFiles, cpu: Cpu) -> None:
    if cpu.realtime_period:
        files.write("cpu", "cpu.rt_period_us", str(cpu.realtime_period))
    if cpu.realtime_runtime:
        files.write("cpu", "cpu.rt_runtime_us", str(cpu.realtime_runtime))
    if cpu.shares:
        _shares(files, cpu.shares)
    _quota(files, cpu.period or None, cpu.quota or None)
    if cpu.burst is not None:
        files.write("cpu", "cpu.cfs_burst_us", str(cpu.burst))
    if cpu.idle is not None:
        files.write("cpu", "cpu.idle", str(cpu.idle))
    if cpu.cpus:
        files.write("cpuset", "cpuset.cpus", cpu.cpus)
    if cpu.mems:
        files.write("cpuset", "cpuset.mems", cpu.mems)


def _shares(files: ControlFiles, shares: int) -> None:
    files.write("cpu", "cpu.shares", str(shares))
    # the kernel clamps silently
    taken = int(files.text("cpu", "cpu.shares"))
    if taken != shares:
        bound = "maximum" if shares > taken else "minimum"
        raise SystemFailure(
            f"error setting cgroup config for procHooks process: the {bound} allowed cpu-shares is {taken}"
        )


def _quota(files: ControlFiles, period: int | None, quota: int | None) -> None:
    if period is not None:
        try:
            files.raw_write("cpu", "cpu.cfs_period_us", str(period))
        except OSError as error:
            # with the present quota the new period may ask for more than the parent has: quota first then
            if error.errno != errno.EINVAL or quota is None:
                raise failure(f"set cpu.cfs_period_us of {files.path} to {period}", error) from None
            files.write("cpu", "cpu.cfs_quota_us", str(quota))
            files.write("cpu", "cpu.cfs_period_us", str(period))
            return
    if quota is not None:
        files.write("cpu", "cpu.cfs_quota_us", str(max(quota, -1)))


def _block(files: ControlFiles, block: BlockIO) -> None:
    prefix = "blkio.bfq." if files.has("blkio", "blkio.bfq.weight") else "blkio."
    if block.weight:
        files.write("blkio", f"{prefix}weight", str(block.weight))
    for device in block.weight_device:
        files.write("blkio", f"{prefix}weight_device", f"{device.major}:{device.minor} {device.weight}")
    throttles: tuple[tuple[str, Iterable[ThrottleDevice]], ...] = (
        ("read_bps", block.throttle_read_bps_device),
        ("write_bps", block.throttle_write_bps_device),
        ("read_iops", block.throttle_read_iops_device),
        ("write_iops", block.throttle_write_iops_device),
    )
    for name, rates in throttles:
        for rate in rates:
            files.write("blkio", f"blkio.throttle.{name}_device", f"{rate.major}:{rate.minor} {rate.rate}")


def write_devices(files: ControlFiles, rules: Iterable[DeviceCgroup]) -> None:
    """Set the device rules of a cgroup that nobody is in yet: never of a live one, which would lose its devices."""
    wanted = devices.policy(rules)
    default, exceptions = ("allow", "deny") if wanted.allow else ("deny", "allow")
    try:
        files.raw_write("devices", f"devices.{default}", "a")
    except OSError as error:
        # a machine that is a container itself cannot allow everything, and its own rules hold anyway
        if not (wanted.allow and error.errno == errno.EPERM):
            raise failure(f"set the device rules of {files.path}", error) from None
    if wanted.exceptions:
        files.write_all("devices", f"devices.{exceptions}", devices.lines(wanted.exceptions))
