from __future__ import annotations

import os

from estiba.linux import cgroupfs, host


def test_detection_happens_once() -> None:
    assert host.detect() is host.detect()


def test_what_every_machine_has() -> None:
    found = host.detect()
    assert found.kernel == os.uname().release
    assert found.kernel.startswith(".".join(map(str, found.kernel_version[:2])))
    assert found.cpus >= 1
    assert found.memory > 1 << 26
    assert found.cgroup_version in (1, 2)
    assert found.operating_system
    assert found.can_raise_limits == ("CAP_SYS_RESOURCE" in found.effective)


def test_limits_of_v2_follow_its_controllers() -> None:
    unified = cgroupfs.Hierarchy("/nowhere", ("cpu", "pids"), "/", "/", 2)
    limits = host.find_limits(cgroupfs.Cgroups("v2", (), unified))
    assert limits.cpu_shares
    assert limits.pids
    assert limits.devices
    assert not limits.memory
    assert not limits.swap
    assert not limits.oom_kill_disable


def test_limits_without_any_controller() -> None:
    limits = host.find_limits(cgroupfs.Cgroups("none", (), None))
    assert not limits.memory
    assert not limits.devices


def test_a_kernel_with_containers_has_the_basics() -> None:
    features = host.detect().features
    assert features.pidfd
    assert features.close_range
    assert features.openat2
    assert features.cgroup_namespaces
