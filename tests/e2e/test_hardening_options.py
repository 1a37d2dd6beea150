"""What each option changes about the default container, seen from inside."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e import hardening_rows as rows
from tests.e2e.hardening_rows import Row, mount_of
from tests.e2e.test_hardening import inside

from estiba.linux import capabilities
from estiba.linux.host import detect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command

FLAGS = "cut -d' ' -f1"
DEVICES = (stat.S_IFBLK, stat.S_IFCHR)
EVERYTHING = f"{capabilities.mask(detect().capabilities):016x}"

ROWS = [
    # --privileged
    Row("privileged: capabilities", "--privileged", rows.CAPS, f"{rows.ZERO} {3 * (EVERYTHING + ' ')}{rows.ZERO}"),
    Row("privileged: nothing masked", "--privileged", "grep -c -E ' /proc/|/sys/firmware' /proc/self/mountinfo", "0"),
    Row(
        "privileged: sys is writable",
        "--privileged",
        mount_of("/sys") + " | cut -d' ' -f1,2",
        "rw,nosuid,nodev,noexec,relatime sysfs",
    ),
    Row("privileged: dev is its own", "--privileged", mount_of("/dev") + " | cut -d' ' -f2", "tmpfs"),
    Row(
        "privileged: but no filter only if asked", "--privileged --security-opt seccomp=builtin", rows.SECCOMP, "0 2 1"
    ),
    Row("privileged: a pid namespace", "--privileged", "cat /proc/1/comm", "sh"),
    # --security-opt
    Row("systempaths", "--security-opt systempaths=unconfined", "grep -c ' /proc/' /proc/self/mountinfo", "0"),
    Row(
        "writable-cgroups",
        "--security-opt writable-cgroups=true",
        "grep -c -E ' /sys/fs/cgroup.* ro,.* cgroup' /proc/self/mountinfo",
        "0",
    ),
    Row("label without SELinux", "--security-opt label=disable", "echo yes", "yes"),
    # devices
    Row("device", "--device /dev/null:/dev/other:r", "stat -c '%a %t:%T' /dev/other", "666 1:3"),
    Row(
        "device cgroup rule",
        "--device-cgroup-rule 'c 42:* rwm' --cap-add MKNOD",
        "mknod /tmp/d c 42 7; cat /tmp/d",
        "cat: can't open '/tmp/d': No such device or address",
    ),
    # name spaces
    Row("uts host", "--uts host", "hostname", socket.gethostname()),
    Row("network host: name", "--network host", "hostname", socket.gethostname()),
    Row(
        "network host: no sysctls",
        "--network host",
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip(),
    ),
    Row(
        "pid host: a new mount",
        "--pid host",
        mount_of("/proc") + " | cut -d' ' -f1,2",
        "rw,nosuid,nodev,noexec,relatime proc",
    ),
    Row("ipc none", "--ipc none", mount_of("/dev/shm") + "; ls /dev | grep -c shm", "0"),
    Row("ipc host", "--ipc host", mount_of("/dev/shm") + " | cut -d' ' -f2", "tmpfs"),
    Row("ipc host: mqueue stays", "--ipc host", mount_of("/dev/mqueue") + " | cut -d' ' -f2", "mqueue"),
    Row("userns host", "--userns host", "cat /proc/self/uid_map | awk '{print $1, $2, $3}'", "0 0 4294967295"),
    # --init, --read-only, --tmpfs
    Row("init", "--init", "cat /proc/1/cmdline | tr '\\0' ' ' | cut -d' ' -f1-3", "/sbin/docker-init -- sh"),
    Row(
        "init: its file",
        "--init",
        mount_of("/sbin/docker-init") + " | " + FLAGS + "; touch /sbin/docker-init",
        "ro,relatime\ntouch: /sbin/docker-init: Read-only file system",
    ),
    Row("read-only", "--read-only", "touch /x", "touch: /x: Read-only file system"),
    Row("tmpfs", "--tmpfs /t", mount_of("/t"), "rw,nosuid,nodev,noexec,relatime tmpfs rw"),
    Row("tmpfs: mode of a new one", "--tmpfs /t", "stat -c %a /t", "1777"),
    Row("tmpfs: mode of the image's", "--tmpfs /root", "stat -c %a /root", "700"),
    Row(
        "tmpfs: options",
        "--tmpfs /t:exec,size=1m,mode=700",
        mount_of("/t"),
        "rw,nosuid,nodev,relatime tmpfs rw,size=1024k,mode=700",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(docker: Command, row: Row) -> None:
    assert inside(docker, row.options, row.command) == row.expected.strip()


def test_privileged_devices_are_the_host_s(docker: Command) -> None:
    listing = inside(docker, "--privileged", "cd /dev; find . -type b -o -type c | sort")
    theirs = {line.removeprefix("./") for line in listing.splitlines()}
    skipped = ("pts/", "shm/", "mqueue/", "console", "ptmx")
    found = (Path(place) / name for place, _, names in os.walk("/dev") for name in names)
    own = {str(path.relative_to("/dev")) for path in found if stat.S_IFMT(path.lstat().st_mode) in DEVICES}
    assert {name for name in own if not name.startswith(skipped)} <= theirs


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A directory with a tmpfs below it."""
    (tmp_path / "sub").mkdir()
    os.system(f"mount -t tmpfs none {tmp_path}/sub")
    yield tmp_path
    os.system(f"umount {tmp_path}/sub")


def test_binds(docker: Command, tree: Path) -> None:
    """What lies below is bound, too; read-only means all of it, unless asked otherwise."""
    source = f"type=bind,src={tree},dst=/b"
    command = f"{mount_of('/b')} | {FLAGS}; {mount_of('/b/sub')} | {FLAGS}"
    tries = {
        f"-v {tree}:/b": ("rw", "rw"),
        f"-v {tree}:/b:ro": ("ro", "ro"),
        f"--mount {source},readonly": ("ro", "ro"),
        f"--mount {source},readonly,bind-recursive=writable": ("ro", "rw"),
        f"--mount {source},readonly,bind-propagation=rprivate,bind-recursive=readonly": ("ro", "ro"),
        f"--mount {source},bind-recursive=disabled": ("rw", ""),
    }
    for options, expected in tries.items():
        out = inside(docker, options, command).split("\n")
        flags = tuple(line.split(",")[0] for line in out)
        assert flags + ("",) * (2 - len(flags)) == expected, options


def test_propagation(docker: Command, tmp_path: Path) -> None:
    field = "awk '$5 == \"/b\" {print $7}' /proc/self/mountinfo"
    assert inside(docker, f"-v {tmp_path}:/b", field) == "-"
    assert "is mounted on" in docker.error("run", "--rm", "-v", f"{tmp_path}:/b:shared", "bb", "true", code=125)


def test_joined_namespaces(docker: Command) -> None:
    """container:X shares that one namespace; an IPC namespace only when its owner lets it."""
    docker("run", "-d", "--rm", "--name", "donor", "--ipc", "shareable", "-h", "donor", "bb", "sleep", "60")
    docker("run", "-d", "--rm", "--name", "closed", "bb", "sleep", "60")
    try:
        pid = docker("inspect", "-f", "{{.State.Pid}}", "donor")
        for option, kind in (("network", "net"), ("pid", "pid"), ("ipc", "ipc")):
            found = inside(
                docker, f"--{option} container:donor", "cd /proc/self/ns; for n in net pid ipc; do readlink $n; done"
            )
            shared = {
                name.split(":")[0]
                for name in found.split()
                if name == os.readlink(f"/proc/{pid}/ns/{name.split(':')[0]}")
            }
            assert shared == {kind}
        docker("exec", "donor", "touch", "/dev/shm/here")
        assert inside(docker, "--ipc container:donor", "ls /dev/shm") == "here"
        assert inside(docker, "--network container:donor", "hostname") == "donor"
        said = docker.error("run", "--rm", "--ipc", "container:closed", "bb", "true", code=125)
        assert "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" in said
    finally:
        docker("kill", "donor", "closed")


def test_pid_host(docker: Command) -> None:
    assert inside(docker, "--pid host", "readlink /proc/self/ns/pid") == os.readlink("/proc/self/ns/pid")
    assert inside(docker, "--pid host", f"cat /proc/{os.getpid()}/comm") == Path("/proc/self/comm").read_text().strip()


def test_cgroup_parent(docker: Command) -> None:
    try:
        places = inside(docker, "--cgroup-parent /estiba-test-parent --cgroupns host", "cut -d: -f3 /proc/self/cgroup")
        assert "/estiba-test-parent/" in places
    finally:
        for place in Path("/sys/fs/cgroup").glob("**/estiba-test-parent"):
            place.rmdir()


@pytest.mark.parametrize(
    "options",
    ["--security-opt foo=bar", "--security-opt apparmor", "--tmpfs /t:nosuch", "-v /tmp:/", "--device /etc/passwd"],
)
def test_refused(docker: Command, options: str) -> None:
    docker.error("run", "--rm", *options.split(), "bb", "true", code=125)


def test_a_profile_of_one_s_own(docker: Command, tmp_path: Path) -> None:
    (tmp_path / "profile").write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": '
        '[{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    )
    assert "No space left" in inside(docker, f"--security-opt seccomp={tmp_path}/profile", "mkdir /x")
    (tmp_path / "bad").write_text("{")
    docker.error("run", "--rm", "--security-opt", f"seccomp={tmp_path}/bad", "bb", "true", code=125)
