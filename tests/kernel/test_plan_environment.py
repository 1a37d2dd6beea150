"""Docker's default container, value for value, as seen from inside one that a plan made."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.bundles import PATH, READONLY

if TYPE_CHECKING:
    from tests.kernel.bundles import Bench

NAMESPACES = ("mnt", "net", "uts", "pid", "ipc", "cgroup", "user")


def _sections(text: str) -> dict[str, str]:
    """What a script printed after each line `== name`."""
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _mounts(text: str) -> list[tuple[str, str, str, str]]:
    """Target, options, type and superblock options of each line of mountinfo."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        dash = fields.index("-")
        options = fields[dash + 3].removesuffix(",inode64")  # which older kernels say of every tmpfs
        found.append((fields[4], fields[5], fields[dash + 1], options))
    return found


def _of_init(name: str) -> str:
    status = Path("/proc/1/status").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+):\t(.*)$", status, flags=re.MULTILINE))[name]


SCRIPT = """
echo "== namespaces"; for n in mnt net uts pid ipc cgroup user; do readlink /proc/self/ns/$n; done
echo "== mounts"; cat /proc/self/mountinfo
echo "== status"; cat /proc/1/status
echo "== stat"; cat /proc/1/stat
echo "== dev"; cd /dev; stat -c '%n %F %t:%T %a %u:%g' null zero full tty random urandom; cd /
echo "== links"; for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done
echo "== devlist"; ls /dev
echo "== env"; cat /proc/1/environ | tr '\\0' '\\n'
echo "== other"; umask; pwd; hostname; cat /proc/1/oom_score_adj; cat /proc/sys/kernel/hostname
echo "== lo"; ip addr show lo
echo "== hidden"; cat /proc/interrupts /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware | grep -v :
echo "== refused"; echo x > /proc/sys/kernel/hostname; echo 1 > /proc/irq/default_smp_affinity; mkdir /sys/x
"""


@pytest.fixture
def seen(bench: Bench) -> dict[str, str]:
    """What the script saw in the default container."""
    result = bench.run(bench.spec("sh", "-c", SCRIPT))
    assert result.start.startswith("started"), result.start
    return _sections(result.output + result.errors)


def test_namespaces_are_its_own_but_for_user_and_cgroup(seen: dict[str, str]) -> None:
    inside = dict(zip(NAMESPACES, seen["namespaces"].split(), strict=True))
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    differing = {name for name in NAMESPACES if inside[name] != outside[name]}
    assert differing == {"mnt", "net", "uts", "pid", "ipc"}


def test_mounts_in_order_with_docker_s_flags(seen: dict[str, str]) -> None:
    mounts = _mounts(seen["mounts"])
    assert mounts[1:7] == [
        ("/proc", "rw,nosuid,nodev,noexec,relatime", "proc", "rw"),
        ("/dev", "rw,nosuid", "tmpfs", "rw,size=65536k,mode=755"),
        ("/dev/pts", "rw,nosuid,noexec,relatime", "devpts", "rw,gid=5,mode=620,ptmxmode=666"),
        ("/sys", "ro,nosuid,nodev,noexec,relatime", "sysfs", "rw"),
        ("/dev/mqueue", "rw,nosuid,nodev,noexec,relatime", "mqueue", "rw"),
        ("/dev/shm", "rw,nosuid,nodev,noexec,relatime", "tmpfs", "rw,size=65536k"),
    ]
    readonly = [
        target
        for target, options, *_ in mounts
        if options.startswith("ro,nosuid,nodev,noexec") and target[:6] == "/proc/"
    ]
    assert readonly == [path for path in READONLY if os.path.exists(path)]
    assert [m[0] for m in mounts].index("/proc/sys") < [m[0] for m in mounts].index("/proc/acpi")
    assert not [line for line in seen["mounts"].splitlines() if "shared:" in line]


def test_no_mount_of_the_host_is_seen(seen: dict[str, str]) -> None:
    expected = {"/", "/proc", "/dev", "/dev/pts", "/sys", "/dev/mqueue", "/dev/shm"}
    others = {target for target, *_ in _mounts(seen["mounts"])} - expected
    assert all(target.startswith(("/proc/", "/sys/")) for target in others), others


def test_status_of_pid_1(seen: dict[str, str]) -> None:
    status = dict(re.findall(r"^(\w+):\t(.*)$", seen["status"], flags=re.MULTILINE))
    sets = {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert sets == {"CapInh": 0, "CapPrm": 0xA80425FB, "CapEff": 0xA80425FB, "CapBnd": 0xA80425FB, "CapAmb": 0}
    assert status["NoNewPrivs"] == "0"
    assert status["Seccomp"] == "0"
    assert status["Groups"].strip() == ""
    assert status["Cpus_allowed_list"] == _of_init("Cpus_allowed_list")


def test_session_process_group_and_priority(seen: dict[str, str]) -> None:
    fields = seen["stat"].rpartition(")")[2].split()
    assert fields[1:4] == ["0", "1", "1"], "parent outside, process group 1, session 1"
    assert fields[16] == "0", "nice"


def test_devices(seen: dict[str, str]) -> None:
    assert seen["dev"].splitlines() == [
        "null character special file 1:3 666 0:0",
        "zero character special file 1:5 666 0:0",
        "full character special file 1:7 666 0:0",
        "tty character special file 5:0 666 0:0",
        "random character special file 1:8 666 0:0",
        "urandom character special file 1:9 666 0:0",
    ]
    assert seen["links"].splitlines() == [
        "fd /proc/self/fd",
        "stdin /proc/self/fd/0",
        "stdout /proc/self/fd/1",
        "stderr /proc/self/fd/2",
        "ptmx pts/ptmx",
    ]
    core = {"core"} if os.path.exists("/proc/kcore") else set()
    assert set(seen["devlist"].split()) == {
        *("null", "zero", "full", "tty", "random", "urandom", "fd", "stdin", "stdout", "stderr", "ptmx"),
        *("pts", "shm", "mqueue"),
        *core,
    }


def test_only_three_descriptors(bench: Bench) -> None:
    listing = bench.run(bench.spec("ls", "-l", "/proc/self/fd")).output
    opened = [line.split(" -> ")[0].split()[-1] for line in listing.splitlines() if " -> " in line]
    assert opened == ["0", "1", "2"], "the directory being listed has no name any more"


def test_environment_is_what_was_given(seen: dict[str, str]) -> None:
    assert seen["env"].split() == [PATH, "HOSTNAME=box", "HOME=/root"]


def test_umask_directory_names_and_oom_score(seen: dict[str, str]) -> None:
    outside = Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip()
    assert seen["other"].split() == ["0022", "/", "box", outside, "box"]


def test_loopback_is_up(seen: dict[str, str]) -> None:
    assert "LOOPBACK,UP" in seen["lo"]
    assert "127.0.0.1/8" in seen["lo"]


def test_masked_files_and_directories_are_empty(seen: dict[str, str]) -> None:
    assert seen["hidden"].strip() == ""


def test_read_only_paths_cannot_be_written(seen: dict[str, str]) -> None:
    assert seen["refused"].count("Read-only file system") == 3


def test_signals_are_as_the_kernel_s_defaults(bench: Bench) -> None:
    status = bench.run(bench.spec("cat", "/proc/self/status")).output
    assert re.findall(r"^Sig(?:Ign|Blk):\t(\w+)$", status, flags=re.MULTILINE) == ["0" * 16] * 2
