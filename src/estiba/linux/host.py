"""What this machine is and can do, found out once: kernel, cgroups, security modules, size.

Everything that depends on the machine asks the value from `detect()`; nothing guesses again.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from estiba.linux import capabilities, cgroupfs, features


@dataclass(frozen=True, slots=True)
class Limits:
    """Which limits the mounted controllers offer.

    Attributes:
        swappiness, oom_kill_disable, kernel_memory_tcp, cpu_realtime: only cgroup v1 has them.
        cpus, mems: what the root of the cpuset controller has ("0-3"), "" without the controller.
    """

    memory: bool
    swap: bool
    reservation: bool
    swappiness: bool
    oom_kill_disable: bool
    kernel_memory_tcp: bool
    cpu_shares: bool
    cpu_cfs: bool
    cpu_realtime: bool
    cpuset: bool
    cpus: str
    mems: str
    pids: bool
    blkio_weight: bool
    blkio_weight_device: bool
    blkio_throttle: bool
    devices: bool
    freezer: bool


@dataclass(frozen=True, slots=True)
class Host:
    """This machine, as it was when it was first asked for.

    Attributes:
        cgroups: hierarchies and layout.
        limits: what can be limited.
        features: kernel facilities.
        capabilities: bounding set of this process; effective: its effective set.
        apparmor, selinux: whether the module is active; selinux_enforcing: whether it refuses anything.
        kernel: release as uname prints it; kernel_version: its first two or three numbers.
        cpus: processors that this process may use; memory, swap: bytes.
        operating_system: PRETTY_NAME of os-release; os_version: VERSION_ID.
        virtualization: "" on bare metal, else what the machine says it is ("vm", "container" or a product's name).
        systemd: whether systemd is the machine's init.
        kvm: /dev/kvm is there.
    """

    cgroups: cgroupfs.Cgroups
    limits: Limits
    features: features.Features
    capabilities: frozenset[str]
    effective: frozenset[str]
    apparmor: bool
    selinux: bool
    selinux_enforcing: bool
    kernel: str
    kernel_version: tuple[int, ...]
    architecture: str
    name: str
    cpus: int
    memory: int
    swap: int
    operating_system: str
    os_version: str
    virtualization: str
    systemd: bool
    kvm: bool
    ipv4_forwarding: bool

    @property
    def cgroup_version(self) -> int:
        """1 or 2; the hybrid layout, where limits are set by v1 controllers, counts as 1."""
        return 2 if self.cgroups.layout == "v2" else 1

    @property
    def can_raise_limits(self) -> bool:
        """CAP_SYS_RESOURCE: rlimits above the hard limit, negative OOM scores."""
        return "CAP_SYS_RESOURCE" in self.effective


@functools.cache
def detect() -> Host:
    """Look at the machine; the first answer is kept for the life of the process."""
    uname = os.uname()
    cgroups = cgroupfs.detect()
    memory = _meminfo()
    release = _os_release()
    selinux = os.path.exists("/sys/fs/selinux/enforce")
    return Host(
        cgroups=cgroups,
        limits=find_limits(cgroups),
        features=features.probe(),
        capabilities=capabilities.bounding(),
        effective=capabilities.effective(),
        apparmor=_first_line("/sys/module/apparmor/parameters/enabled") == "Y",
        selinux=selinux,
        selinux_enforcing=selinux and _first_line("/sys/fs/selinux/enforce") == "1",
        kernel=uname.release,
        kernel_version=tuple(int(number) for number in re.findall(r"\d+", uname.release)[:3]),
        architecture=uname.machine,
        name=uname.nodename,
        cpus=len(os.sched_getaffinity(0)),
        memory=memory.get("MemTotal", 0),
        swap=memory.get("SwapTotal", 0),
        operating_system=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        virtualization=_virtualization(),
        systemd=os.path.isdir("/run/systemd/system"),
        kvm=os.path.exists("/dev/kvm"),
        ipv4_forwarding=_first_line("/proc/sys/net/ipv4/ip_forward") == "1",
    )


def find_limits(cgroups: cgroupfs.Cgroups) -> Limits:
    """What the controllers' files offer; v2 has no files at its root, there the controllers decide."""
    if cgroups.layout == "v2" and cgroups.unified is not None:
        return _limits_v2(cgroups.unified)
    return _limits_v1(cgroups)


def _limits_v1(cgroups: cgroupfs.Cgroups) -> Limits:
    def has(controller: str, file: str) -> bool:
        hierarchy = cgroups.hierarchy(controller)
        return hierarchy is not None and hierarchy.version == 1 and os.path.exists(f"{hierarchy.mount}/{file}")

    cpuset = cgroups.hierarchy("cpuset")
    return Limits(
        memory=has("memory", "memory.limit_in_bytes"),
        swap=has("memory", "memory.memsw.limit_in_bytes"),
        reservation=has("memory", "memory.soft_limit_in_bytes"),
        swappiness=has("memory", "memory.swappiness"),
        oom_kill_disable=has("memory", "memory.oom_control"),
        kernel_memory_tcp=has("memory", "memory.kmem.tcp.limit_in_bytes"),
        cpu_shares=has("cpu", "cpu.shares"),
        cpu_cfs=has("cpu", "cpu.cfs_quota_us"),
        cpu_realtime=has("cpu", "cpu.rt_runtime_us"),
        cpuset=has("cpuset", "cpuset.cpus"),
        cpus=_first_line(f"{cpuset.mount}/cpuset.cpus") if cpuset else "",
        mems=_first_line(f"{cpuset.mount}/cpuset.mems") if cpuset else "",
        pids=cgroups.hierarchy("pids") is not None,
        blkio_weight=has("blkio", "blkio.weight") or has("blkio", "blkio.bfq.weight"),
        blkio_weight_device=has("blkio", "blkio.weight_device") or has("blkio", "blkio.bfq.weight_device"),
        blkio_throttle=has("blkio", "blkio.throttle.read_bps_device"),
        devices=has("devices", "devices.allow"),
        freezer=cgroups.hierarchy("freezer") is not None,
    )


def _limits_v2(unified: cgroupfs.Hierarchy) -> Limits:
    offered = unified.controllers
    memory, io = "memory" in offered, "io" in offered
    # memory.swap.max exists below the root only; the kernel makes it unless it has no swap or was told not to count it
    swap = memory and os.path.exists("/proc/swaps") and "swapaccount=0" not in _first_line("/proc/cmdline").split()
    weight = io and (os.path.exists(f"{unified.mount}/io.cost.qos") or _any_child_has(unified.mount, "io.bfq.weight"))
    return Limits(
        memory=memory,
        swap=swap,
        reservation=memory,
        swappiness=False,
        oom_kill_disable=False,
        kernel_memory_tcp=False,
        cpu_shares="cpu" in offered,
        cpu_cfs="cpu" in offered,
        cpu_realtime=False,
        cpuset="cpuset" in offered,
        cpus=_first_line(f"{unified.mount}/cpuset.cpus.effective"),
        mems=_first_line(f"{unified.mount}/cpuset.mems.effective"),
        pids="pids" in offered,
        blkio_weight=weight,
        blkio_weight_device=weight,
        blkio_throttle=io,
        devices=True,
        freezer=True,
    )


def _any_child_has(mount: str, file: str) -> bool:
    return any(os.path.exists(f"{mount}/{name}/{file}") for name in cgroupfs.children(mount))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _meminfo() -> dict[str, int]:
    """Name → bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        pairs = (line.split(":", 1) for line in file)
        return {name: int(value.split()[0]) * 1024 for name, value in pairs if value.strip().endswith("kB")}


def _os_release() -> dict[str, str]:
    """os-release(5), without the shell's finer points."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            text = Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}
    return {}


def _virtualization() -> str:
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "container"
    product = _first_line("/sys/class/dmi/id/product_name")
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            guest = any(line.startswith("flags") and " hypervisor" in line for line in file)
    except OSError:
        return ""
    return (product or "vm") if guest else ""
