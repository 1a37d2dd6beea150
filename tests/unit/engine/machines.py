"""A machine that does not depend on the one that runs the tests: cgroup v1 (or v2), two processors, no SYS_RESOURCE."""

from __future__ import annotations

from dataclasses import replace

from estiba.linux.capabilities import NAMES
from estiba.linux.cgroupfs import Cgroups, Hierarchy
from estiba.linux.features import Features
from estiba.linux.host import Host, Limits

_V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")

V1_LIMITS = Limits(
    memory=True,
    swap=True,
    reservation=True,
    swappiness=True,
    oom_kill_disable=True,
    kernel_memory_tcp=True,
    cpu_shares=True,
    cpu_cfs=True,
    cpu_realtime=True,
    cpuset=True,
    cpus="0-1",
    mems="0",
    pids=True,
    blkio_weight=False,
    blkio_weight_device=False,
    blkio_throttle=True,
    devices=True,
    freezer=True,
)

V1 = Host(
    cgroups=Cgroups("v1", tuple(Hierarchy(f"/sys/fs/cgroup/{name}", (name,), "/", "/", 1) for name in _V1), None),
    limits=V1_LIMITS,
    features=Features(*[True] * 14, landlock=0),
    capabilities=frozenset(NAMES) - {"CAP_SYS_RESOURCE"},
    effective=frozenset(NAMES) - {"CAP_SYS_RESOURCE"},
    apparmor=False,
    selinux=False,
    selinux_enforcing=False,
    kernel="6.18.0",
    kernel_version=(6, 18, 0),
    architecture="x86_64",
    name="the-host",
    cpus=2,
    memory=4 << 30,
    swap=0,
    operating_system="Linux",
    os_version="1",
    virtualization="",
    systemd=False,
    kvm=False,
    ipv4_forwarding=True,
)

V2 = replace(
    V1,
    cgroups=Cgroups("v2", (), Hierarchy("/sys/fs/cgroup", ("cpuset", "cpu", "io", "memory", "pids"), "/", "/", 2)),
    limits=replace(V1_LIMITS, swappiness=False, oom_kill_disable=False, kernel_memory_tcp=False, cpu_realtime=False),
    capabilities=frozenset(NAMES),
    effective=frozenset(NAMES),
)
