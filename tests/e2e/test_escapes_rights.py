"""Published escapes by users, rights and names, tried here: each shows that it fails. The numbers are CVEs."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.hardening_rows import DEFAULT_CAPS
from tests.e2e.hostile import make_image, regular

if TYPE_CHECKING:
    from tests.api.client import EngineProcess
    from tests.support.command import Command


class TestRights:
    @pytest.mark.parametrize(
        "user", ["4294967296", "4294967295", "2147483648", "-1", "0:4294967296", "99999999999999999999"]
    )
    def test_numbers_out_of_range(self, docker: Command, user: str) -> None:
        """2024-40635, 2026-46680: never another number, and never a name."""
        image = make_image(docker, "named", regular("etc/passwd"))
        passwd = "root:x:0:0::/:/bin/sh\n" + "".join(f"{name}:x:0:0::/:/bin/sh\n" for name in (user, "4294967296"))
        docker("create", "--name", "numbered", "-u", user, image, "id", "-u")
        try:
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                member = regular("passwd", len(passwd))
                tar.addfile(member, io.BytesIO(passwd.encode()))
            docker("cp", "-", "numbered:/etc", stdin=archive.getvalue())
            assert "uids and gids must be in range 0-2147483647" in docker.error("start", "-a", "numbered")
        finally:
            docker("rm", "numbered")

    def test_broken_lines_name_nobody(self, docker: Command) -> None:
        """A line without an id is not root's."""
        docker(
            "run",
            "-d",
            "--rm",
            "--name",
            "broken",
            "bb",
            "sh",
            "-c",
            "printf 'badline\\nword:x:no:5::/:\\n' >> /etc/passwd; exec sleep 60",
        )
        try:
            for user in ("badline", "word"):
                assert f"unable to find user {user}" in docker.error("exec", "-u", user, "broken", "id")
        finally:
            docker("kill", "broken")

    def test_huge_files_of_users(self, docker: Command, shared_engine: EngineProcess) -> None:
        """2026-47262: what an image's files hold costs the engine neither memory nor time."""
        assert shared_engine.process is not None
        status = Path(f"/proc/{shared_engine.process.pid}/status")
        docker(
            "run",
            "-d",
            "--rm",
            "--name",
            "huge",
            "bb",
            "sh",
            "-c",
            "truncate -s 2G /etc/group; truncate -s 2G /etc/passwd; echo r; exec sleep 60",
        )
        try:
            while docker("logs", "huge") != "r":
                time.sleep(0.05)
            before, began = peak(status), time.monotonic()
            docker.result("exec", "-u", "user:extra", "huge", "id")
            members = "(printf extra:x:2000:; yes user, | tr -d '\\n' | head -c 20000000) > /etc/group"
            lines = "yes a:x:1:1:::: | head -n 1000000 > /etc/passwd"
            docker("exec", "-u", "0:0", "huge", "sh", "-c", f"{members}; {lines}; echo user:x:7:7::: >> /etc/passwd")
            docker.result("exec", "-u", "a", "huge", "id")
            docker.result("exec", "-u", "a:nosuch", "huge", "id")
            docker.result("exec", "-u", "user", "huge", "id")
            assert time.monotonic() - began < 15
            assert peak(status) - before < 64 << 10
        finally:
            docker("kill", "huge")

    def test_the_data_root_is_closed(self, docker: Command, shared_engine: EngineProcess) -> None:
        """2021-41091: no other user of the host gets at an image's setuid programs."""
        docker("create", "--name", "closed-root", "bb", "true")
        layer = Path(docker("inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", "closed-root").split(":")[-1])
        program = layer / "bin/busybox"
        assert program.exists()
        tried = subprocess.run(
            ["cat", program], capture_output=True, user=65534, group=65534, extra_groups=[], check=False
        )
        assert b"Permission denied" in tried.stderr
        docker("rm", "closed-root")

    def test_no_abstract_sockets(self, docker: Command) -> None:
        """2020-15257: nothing of ours can be reached by name from the host's network namespace."""
        names = docker("run", "--rm", "--network", "host", "bb", "sh", "-c", "grep ' @' /proc/net/unix; true")
        assert "estiba" not in names

    def test_labels_are_data(self, docker: Command, canary: Path) -> None:
        """2026-53488: not options of the runtime, not hooks, not devices."""
        labels = {
            "io.containerd.runc.v2.hook": f"touch {canary}/x",
            "estiba.plan": "privileged",
            "cdi.k8s.io/x": "vendor.com/device=all",
            "com.docker.seccomp": "unconfined",
        }
        options = [f"--label={key}={value}" for key, value in labels.items()]
        options += [f"--annotation={key}={value}" for key, value in labels.items()]
        out = docker("run", "--rm", *options, "bb", "grep", "-E", "CapEff|Seccomp:", "/proc/self/status")
        assert out.split() == ["CapEff:", DEFAULT_CAPS, "Seccomp:", "2"]

    def test_sysctls_are_names_and_values(self, docker: Command) -> None:
        """2022-0811: nothing else is written."""
        for setting in (
            "kernel.shm_rmid_forced=1+kernel.core_pattern=|/x",
            "net.ipv4.ip_forward=1\nkernel.x=1",
            "net/../kernel/core_pattern=x",
            "net.ipv4.../../../kernel.core_pattern=x",
        ):
            pattern = Path("/proc/sys/kernel/core_pattern").read_text()
            assert docker.result("run", "--rm", "--sysctl", setting, "bb", "true").code != 0, setting
            assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern


def peak(status: Path) -> int:
    """The most memory that the process ever had, in kB."""
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
