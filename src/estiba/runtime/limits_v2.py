"""Limits in cgroup v2's words: conversions from the specification's v1 numbers, and which file takes what."""

from __future__ import annotations

import errno
import math
import os
import re
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, SystemFailure
from estiba.linux import bpf, cgroupfs
from estiba.runtime import devices
from estiba.runtime.cgroup import failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.oci.runtime_spec import BlockIO, Cpu, DeviceCgroup, Memory, Resources

_FILE = re.compile(r"[a-z_]+(\.[a-zA-Z0-9_]+)+")


class ControlFiles:
    """The control files of one cgroup; root is the descriptor of the v2 mount."""

    def __init__(self, path: str, root: int) -> None:
        self.path = path
        self._place = path.lstrip("/")
        self._root = root

    def text(self, file: str) -> str:
        """A file's text; "" where the file or the cgroup is not there."""
        try:
            return cgroupfs.read(f"{self._place}/{file}", self._root)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                return ""
            raise failure(f"read {file} of {self.path}", error) from None

    def has(self, file: str) -> bool:
        """Whether there is such a file."""
        return os.access(f"{self._place}/{file}", os.F_OK, dir_fd=self._root)

    def write(self, file: str, value: str) -> None:
        """Write a value; SystemFailure says what the kernel did not take."""
        try:
            cgroupfs.write(f"{self._place}/{file}", value, self._root)
        except OSError as error:
            raise failure(f"set {file} of {self.path} to {value}", error) from None

    def write_if_there(self, file: str, value: str) -> bool:
        """The same where the file may be missing; tells whether it was there."""
        if not self.has(file):
            return False
        self.write(file, value)
        return True


def cpu_weight(shares: int) -> int:
    """cpu.weight for cpu.shares.

    A quadratic in the logarithm that maps 2, 1024, 262144 to 1, 100, 10000 (runc since 1.3.2, crun since 1.23).
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def io_weight(weight: int) -> int:
    """io.weight (1 to 10000) for blkio.weight (10 to 1000)."""
    return 1 + (weight - 10) * 9999 // 990


def swap_max(swap: int | None, limit: int | None) -> str | None:
    """memory.swap.max, without the memory, for the specification's sum of both; None leaves it.

    Raises InvalidArgument for a sum below the memory limit, or one without a memory limit.
    """
    if swap == -1 or (limit == -1 and not swap):
        return "max"
    if not swap:
        return None
    if not limit or limit < 0:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    if swap < limit:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    return str(swap - limit)


def number_or_max(value: int) -> str:
    """-1 and every other negative number is no limit."""
    return "max" if value < 0 else str(value)


def write_limits(files: ControlFiles, resources: Resources) -> None:
    """Write every limit that is given; None, and 0 where that is no limit of its own, leave things as they are."""
    if resources.memory is not None:
        _memory(files, resources.memory)
    if resources.cpu is not None:
        _cpu(files, resources.cpu)
    if resources.pids is not None and resources.pids.limit != 0:
        files.write("pids.max", number_or_max(resources.pids.limit))
    if resources.block_io is not None:
        _block(files, resources.block_io)
    for file, value in resources.unified.items():
        if not _FILE.fullmatch(file) or file.startswith("cgroup."):
            raise InvalidArgument(f"invalid unified resource {file}: it has to be the name of a controller's file")
        for line in value.splitlines():
            files.write(file, line)


def _memory(files: ControlFiles, memory: Memory) -> None:
    swap = swap_max(memory.swap, memory.limit)
    # swap first: with the old, larger swap the new memory limit would push pages out that are to be refused
    if swap is not None and not files.write_if_there("memory.swap.max", swap) and swap not in ("max", "0"):
        raise SystemFailure(f"cannot set memory.swap.max of {files.path} to {swap}: the kernel does not count swap")
    if memory.limit:
        files.write("memory.max", number_or_max(memory.limit))
    if memory.reservation:
        files.write("memory.low", number_or_max(memory.reservation))


def _cpu(files: ControlFiles, cpu: Cpu) -> None:
    if cpu.shares:
        files.write("cpu.weight", str(cpu_weight(cpu.shares)))
    if cpu.idle is not None:
        files.write("cpu.idle", str(cpu.idle))
    if cpu.quota or cpu.period:
        _bandwidth(files, cpu.quota or None, cpu.period or None)
    if cpu.burst is not None:
        files.write("cpu.max.burst", str(cpu.burst))
    if cpu.cpus:
        files.write("cpuset.cpus", cpu.cpus)
    if cpu.mems:
        files.write("cpuset.mems", cpu.mems)


def _bandwidth(files: ControlFiles, quota: int | None, period: int | None) -> None:
    """Both are one file: what is not given keeps its value."""
    old_quota, _, old_period = files.text("cpu.max").partition(" ")
    new_quota = number_or_max(quota) if quota is not None else old_quota or "max"
    files.write("cpu.max", f"{new_quota} {period or old_period or 100000}")


def _block(files: ControlFiles, block: BlockIO) -> None:
    bfq = files.has("io.bfq.weight")
    if block.weight:
        if bfq:
            files.write("io.bfq.weight", str(block.weight))
        else:
            files.write("io.weight", str(io_weight(block.weight)))
    for device in block.weight_device:
        weight = device.weight if bfq else io_weight(device.weight)
        files.write("io.bfq.weight" if bfq else "io.weight", f"{device.major}:{device.minor} {weight}")
    for line in throttle_lines(block):
        files.write("io.max", line)


def throttle_lines(block: BlockIO) -> list[str]:
    """One io.max line per device with all its keys; a rate of 0 is no limit."""
    per_device: dict[tuple[int, int], dict[str, str]] = {}
    for key, rates in (
        ("rbps", block.throttle_read_bps_device),
        ("wbps", block.throttle_write_bps_device),
        ("riops", block.throttle_read_iops_device),
        ("wiops", block.throttle_write_iops_device),
    ):
        for rate in rates:
            per_device.setdefault((rate.major, rate.minor), {})[key] = str(rate.rate) if rate.rate else "max"
    return [
        f"{major}:{minor} {' '.join(f'{key}={value}' for key, value in keys.items())}"
        for (major, minor), keys in per_device.items()
    ]


def attach_devices(directory: int, path: str, rules: Iterable[DeviceCgroup]) -> None:
    """Attach the device filter to the cgroup whose directory this descriptor is."""
    wanted = devices.policy(rules)
    if wanted.allow and not wanted.exceptions:
        return
    matches = [bpf.DeviceMatch(e.kind, e.major, e.minor, e.access) for e in wanted.exceptions]
    try:
        bpf.attach_device_program(directory, bpf.device_program(wanted.allow, matches))
    except OSError as error:
        raise failure(f"set the device rules of {path}", error) from None
