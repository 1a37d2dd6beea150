"""Images and neighbours that try to lead the set-up out of the container's root."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.bundles import DEFAULT_MOUNTS

from estiba.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench


def _bind(source: object, destination: str) -> Mount:
    return Mount(destination=destination, type="bind", source=str(source), options=["rbind", "rprivate"])


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A directory of the host that must stay empty."""
    directory = tmp_path / "canary"
    directory.mkdir()
    return directory


def _replace(path: Path, link: str) -> None:
    path.rmdir()
    path.symlink_to(link)


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("absolute", [True, False])
def test_system_directory_that_is_a_link(bench: Bench, canary: Path, name: str, *, absolute: bool) -> None:
    """CVE-2026-41579, 2019-19921 and kin: never mounted through."""
    _replace(bench.root / name, str(canary) if absolute else "../" * 20 + str(canary).lstrip("/"))
    result = bench.run(bench.spec("true"))
    assert "must be mounted on ordinary directory" in result.failure()
    assert not list(canary.iterdir())


def test_dev_link_without_a_mount_on_dev(bench: Bench, canary: Path) -> None:
    _replace(bench.root / "dev", str(canary))
    spec = bench.spec("true")
    mounts = [mount for mount in DEFAULT_MOUNTS if not mount.destination.startswith("/dev")]
    bench.run(msgspec.structs.replace(spec, mounts=mounts))
    assert not list(canary.iterdir())


@pytest.mark.parametrize("target", ["proc/sys", "/proc/sys/kernel", "../../proc/self/fd", "/proc/1"])
def test_target_that_leads_into_proc(bench: Bench, tmp_path: Path, target: str) -> None:
    (tmp_path / "evil").mkdir()
    (bench.root / "innocent").symlink_to(target)
    result = bench.run(bench.spec("true", mounts=[_bind(tmp_path / "evil", "/innocent")]))
    assert "cannot be mounted because it is inside /proc" in result.failure()


def test_target_that_leads_to_the_root(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (bench.root / "innocent").symlink_to("/")
    result = bench.run(bench.spec("true", mounts=[_bind(tmp_path / "evil", "/innocent")]))
    assert "destination can't be '/'" in result.failure()


def test_null_device_that_is_something_else(bench: Bench) -> None:
    """CVE-2025-31133: with the image's own /dev, masks must not bind what is in /dev/null's place."""
    mounts = [mount for mount in DEFAULT_MOUNTS if not mount.destination.startswith("/dev")]
    for make in (lambda p: p.symlink_to("/proc/sys/kernel/core_pattern"), lambda p: p.write_text("x")):
        null = bench.root / "dev/null"
        null.unlink(missing_ok=True)
        make(null)
        spec = bench.spec("cat", "/proc/keys")
        result = bench.run(msgspec.structs.replace(spec, mounts=mounts))
        assert result.start.startswith("failed"), result.output


def test_terminal_with_the_image_s_own_dev_pts(bench: Bench) -> None:
    """CVE-2025-52565: a pty comes from a devpts or not at all."""
    mounts = [mount for mount in DEFAULT_MOUNTS if not mount.destination.startswith("/dev")]
    (bench.root / "dev/pts").mkdir()
    (bench.root / "dev/pts/ptmx").symlink_to("/etc/passwd")
    spec = bench.spec("true", terminal=True)
    assert bench.run(msgspec.structs.replace(spec, mounts=mounts)).start.startswith("failed")
    (bench.root / "dev/pts/ptmx").unlink()
    (bench.root / "dev/pts/ptmx").write_text("")
    assert bench.run(msgspec.structs.replace(spec, mounts=mounts)).start.startswith("failed")


def test_long_chains_of_links_end(bench: Bench, tmp_path: Path) -> None:
    for number in range(60):
        (bench.root / f"l{number}").symlink_to(f"/l{number + 1}")
    (bench.root / "l60").symlink_to("/l0")
    (bench.root / "loop").symlink_to("loop")
    for target in ("/l0/x", "/loop/x", "/loop"):
        result = bench.run(bench.spec("true", mounts=[_bind(tmp_path, target)]))
        assert "too many levels of symbolic links" in result.failure()


def test_long_names(bench: Bench, tmp_path: Path) -> None:
    for target in ("/" + "x" * 300, "/" + "x/" * 2100, "/" + "y" * 5000):
        result = bench.run(bench.spec("true", mounts=[_bind(tmp_path, target)]))
        assert "name too long" in result.failure().lower()


SWAP = """
import os, sys
first, second = sys.argv[1], sys.argv[2]
import ctypes
libc = ctypes.CDLL(None)
print("ready", flush=True)
while True:
    libc.renameat2(-100, first.encode(), -100, second.encode(), 2)
"""


def test_swapped_target_never_leads_to_the_host(bench: Bench, tmp_path: Path, canary: Path) -> None:
    """CVE-2021-30465, 2024-45310: a neighbour exchanges a directory of a shared volume for a link, all the time."""
    volume = tmp_path / "volume"
    (volume / "real").mkdir(parents=True)
    (volume / "link").symlink_to(str(canary))
    (tmp_path / "data").mkdir()
    swapper = subprocess.Popen(
        [sys.executable, "-c", SWAP, str(volume / "real"), str(volume / "link")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == "ready\n"
        mounts = [_bind(volume, "/volume"), _bind(tmp_path / "data", "/volume/real/deep/er")]
        starts = [bench.run(bench.spec("true", mounts=mounts)).start.split()[0] for _ in range(60)]
    finally:
        swapper.kill()
        swapper.communicate()
    assert set(starts) <= {"started", "failed"}
    assert not list(canary.iterdir())
    assert not os.path.ismount(canary)


def test_the_set_up_process_cannot_be_looked_into(bench: Bench) -> None:
    """A container in the host's pid namespace, without CAP_SYS_PTRACE, sees no descriptor of a process being set up."""
    spec = bench.spec("sh", "-c", "ls /proc/$PPID/fd /proc/$PPID/exe 2>&1 | head -1")
    namespaces = [n for n in spec.linux.namespaces if n.type != "pid"]
    spec = msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, namespaces=namespaces))
    assert "Permission denied" in bench.run(spec).output
