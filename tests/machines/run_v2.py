"""Runs tests in a virtual machine with pure cgroup v2: Debian's cloud kernel under QEMU, results over its console.

    python tests/machines/run_v2.py [TEST PATH OR PYTEST OPTION...]

Without a path it runs the tests of what depends on the kernel most, and a story of an engine. Needs the Debian packages
that --packages prints; emulated without KVM it takes two to four minutes. The exit status is pytest's; 3 when there can
be no machine here, for the reason printed last.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.machines import guest

PACKAGES = ("qemu-system-x86", "seabios", "busybox-static", "e2fsprogs", "gcc", "libc6-dev", "make")
TESTS = (
    "tests/kernel/test_cgroups.py",
    "tests/kernel/test_plan_mounts.py",
    "tests/kernel/test_plan_user_namespace.py::test_overlay_root_made_by_the_host",
    "tests/kernel/test_seccomp.py::test_the_default_profile",
    "tests/kernel/test_shim.py",
    "tests/kernel/test_snapshots.py::test_a_stack_shows_what_its_layers_say",
    "tests/kernel/test_snapshots.py::test_a_snapshot_is_written_and_its_layers_are_not",
    "tests/kernel/test_snapshots.py::test_overlays_of_the_machines_directories",
    "tests/e2e/test_limited_life.py",
)
IMPOSSIBLE = 3
MARK = re.compile(r"estiba-machine-exit: (\d+)")


def main() -> int:
    """Build the machine, boot it, pass its output on."""
    options = parse()
    if options.packages:
        print(*PACKAGES)
        return 0
    missing = [name for name in ("qemu-system-x86_64", "mke2fs", "gcc", "make") if not find(name)]
    busybox = Path(find("busybox") or "/")
    if platform.machine() != "x86_64":
        print("run_v2: the machine is made for x86_64 only")
        return IMPOSSIBLE
    if missing or not is_static(busybox):
        print(f"run_v2: needs {', '.join(missing) or 'a static busybox'}: apt install {' '.join(PACKAGES)}")
        return IMPOSSIBLE
    named = [argument for argument in options.arguments if not argument.startswith("-")]
    pytest = ["-p", "no:cacheprovider", "-q", *options.arguments, *([] if named else TESTS)]
    command = f'"$PYTHON" -m pytest {shlex.join(pytest)}'
    try:
        kernel = guest.find_kernel(options.cache)
    except guest.NoKernelError as error:
        print(f"run_v2: {error}")
        return IMPOSSIBLE
    with tempfile.TemporaryDirectory(prefix="estiba-machine-") as directory:
        scratch = Path(directory)
        guest.make_initramfs(kernel, busybox, scratch / "initramfs.img")
        guest.make_disk(kernel, busybox, options.command or command, scratch, scratch / "disk.img")
        return boot(kernel, scratch, options.accelerator, options.timeout)


def parse() -> argparse.Namespace:
    """The command line; unknown options are pytest's."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser = argparse.ArgumentParser(description="Run tests under pure cgroup v2 in a virtual machine.")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that this needs")
    parser.add_argument("--cache", type=Path, default=Path(cache) / "estiba-machines", help="where the kernel is kept")
    parser.add_argument("--timeout", type=float, default=300, help="seconds until the machine is ended (default 300)")
    parser.add_argument("--accelerator", default="tcg", help="tcg, or kvm where it is real (default tcg)")
    parser.add_argument("--command", help="a shell command to run in the machine instead of pytest")
    options, options.arguments = parser.parse_known_args()
    return options


def find(program: str) -> str | None:
    """A program, also of the administrator's directories."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def is_static(program: Path) -> bool:
    """Whether it loads no libraries, which the initramfs does not have."""
    return program.is_file() and "not a dynamic executable" in (
        (result := subprocess.run(["ldd", program], capture_output=True, text=True, check=False)).stdout + result.stderr
    )


def boot(kernel: guest.Kernel, scratch: Path, accelerator: str, timeout: float) -> int:
    """Run the machine until it powers itself off; the status that its init printed, 124 after the time-out."""
    command = [
        *("qemu-system-x86_64", "-machine", "q35", "-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1024"),
        *("-kernel", kernel.image, "-initrd", scratch / "initramfs.img"),
        *("-append", "console=ttyS0 panic=-1 quiet loglevel=3 rdinit=/init"),
        *("-drive", f"file={scratch / 'disk.img'},format=raw,if=virtio,cache=unsafe"),
        *("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
    ]
    status = 1
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as machine:
        expired = threading.Event()
        timer = threading.Timer(timeout, lambda: (expired.set(), machine.kill()))
        timer.start()
        assert machine.stdout
        for line in machine.stdout:
            print(line.rstrip("\r\n"), flush=True)
            if found := MARK.search(line):
                status = int(found[1])
        timer.cancel()
    if expired.is_set():
        print(f"run_v2: the machine did not end within {timeout:g} s")
        return 124
    return status


if __name__ == "__main__":
    sys.exit(main())
