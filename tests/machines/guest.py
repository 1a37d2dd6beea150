"""Makes the guest of the test machine: a kernel, an initramfs that finds the disk, a disk with what the tests need.

The disk holds this machine's own Python, programs and test libraries, so that building it takes seconds and nothing
is downloaded but Debian's cloud kernel (once; it is kept in the cache directory).
"""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
META_PACKAGE = "linux-image-cloud-amd64"
# What finds the disk, in the order in which it has to be loaded; ext4 is part of the kernel.
DISK_MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")
PROGRAMS = (
    *("sh", "bash", "cat", "chmod", "chown", "cp", "cut", "dd", "df", "env", "grep", "id", "ip", "ln", "ls", "mkdir"),
    *("mknod", "mount", "nft", "nsenter", "ps", "readlink", "rm", "rmdir", "setsid", "sleep", "stat", "sync", "tail"),
    *("tar", "tee", "timeout", "touch", "true", "umount", "unshare"),
)
IN_REPOSITORY = ("src", "tests", "pyproject.toml", "examples")
NOT_IN_STDLIB = ("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "site-packages", "dist-packages")
NOT_IN_SITE = ("mypy", "pip", "setuptools", "ruff", "grimp", "docker", "babel", "_rust")


class Kernel(NamedTuple):
    """A bootable kernel and the directory of its modules (…/lib/modules/VERSION)."""

    image: Path
    modules: Path


class NoKernelError(Exception):
    """There is no kernel for the machine, and none to be had."""


def find_kernel(cache: Path) -> Kernel:
    """Debian's cloud kernel, extracted in the cache; downloaded with apt when it is not there yet."""
    extracted = cache / "kernel"
    if not list(extracted.glob("boot/vmlinuz-*")):
        shutil.rmtree(extracted, ignore_errors=True)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            download_kernel(Path(scratch))
            os.rename(scratch, extracted)
            os.mkdir(scratch)
    image = max(extracted.glob("boot/vmlinuz-*"))
    return Kernel(image, extracted / "lib/modules" / image.name.removeprefix("vmlinuz-"))


def download_kernel(directory: Path) -> None:
    """The kernel's package, extracted. Raises NoKernelError."""
    try:
        depends = _output("apt-cache", "depends", META_PACKAGE)
        match = re.search(r"Depends: (linux-image-\S+)", depends)
        if not match:
            raise NoKernelError(f"the package {META_PACKAGE} is not known here: apt-get update")
        subprocess.run(["apt-get", "-q", "download", match[1]], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        package = next(directory.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
        package.unlink()
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoKernelError(f"cannot download Debian's cloud kernel: {error}") from error


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make_initramfs(kernel: Kernel, busybox: Path, output: Path) -> None:
    """An archive with busybox and the modules of the disk, whose init goes on in /dev/vda."""
    root = output.parent / "initramfs"
    for name in ("bin", "dev", "disk"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy2(busybox, root / "bin" / "busybox")
    for name in DISK_MODULES:
        shutil.copy2(next(kernel.modules.rglob(f"{name}.ko")), root / f"{name}.ko")
    loads = "\n".join(f"/bin/busybox insmod /{name}.ko" for name in DISK_MODULES)
    init = root / "init"
    init.write_text(
        f"#!/bin/busybox sh\n{loads}\n/bin/busybox mount -t devtmpfs dev /dev\n"
        "/bin/busybox mount -t ext4 /dev/vda /disk\nexec /bin/busybox switch_root /disk /init\n"
    )
    init.chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
    with output.open("wb") as archive:
        subprocess.run(
            [busybox, "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), stdout=archive, check=True
        )


class Tree:
    """A root file system in the making: files of this machine at their own places, with the libraries they load."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / "usr" / name).mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")
        for name in ("dev", "proc", "sys", "tmp", "run", "root", "etc", "var/lib", "srv"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def place(self, path: Path) -> Path:
        """Where a path of this machine is in the tree."""
        return self.root / str(path).lstrip("/")

    def add(self, path: Path) -> None:
        """A file with what it links to and loads."""
        target = self.place(path)
        if os.path.lexists(target):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(os.readlink(path))
            self.add(Path(os.path.normpath(path.parent / os.readlink(path))))
            return
        shutil.copy2(path, target)
        self.add_libraries(path)

    def add_libraries(self, program: Path) -> None:
        """The shared libraries of a program or library, as the dynamic linker finds them here."""
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for match in re.findall(r"(?:=> )?(/\S+) \(0x", listed):
            library = Path(match)
            # the merged /usr of the tree has no /lib of its own
            self.add(Path("/usr") / library.relative_to("/") if library.parts[1] in ("lib", "lib64") else library)

    def add_directory(self, source: Path, target: Path, without: tuple[str, ...] = ()) -> None:
        """A directory as it is, less the named entries at its top; libraries of its extension modules come with it."""

        def ignore(directory: str, names: list[str]) -> set[str]:
            dropped = {name for name in names if name.endswith((".a", ".whl"))}
            if Path(directory) == source:
                dropped |= {name for name in names if name in without or re.split(r"[.-]", name)[0] in without}
                dropped |= {name for name in names if name.startswith("config-")}
            return dropped

        shutil.copytree(source, self.place(target), symlinks=True, dirs_exist_ok=True, ignore=ignore)
        for extension in self.place(target).rglob("*.so"):
            original = source / extension.relative_to(self.place(target))
            self.add_libraries(original)


def add_python(tree: Tree) -> Path:
    """This interpreter with its standard library and the packages of its environment (at /site)."""
    interpreter = Path(os.path.realpath(sys.executable))
    tree.add(interpreter)
    tree.add_directory(Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("stdlib")), NOT_IN_STDLIB)
    for directory in site.getsitepackages():
        if Path(directory).is_dir():
            tree.add_directory(Path(directory), Path("/site"), NOT_IN_SITE)
    return interpreter


def make_disk(kernel: Kernel, busybox: Path, command: str, scratch: Path, output: Path) -> None:
    """The disk: programs, Python, the repository at /estiba, and an init that runs `command` there."""
    tree = Tree(scratch / "root")
    tree.add(Path("/usr/bin/busybox") if busybox.parts[1] == "bin" else busybox)
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            tree.add(Path(os.path.realpath(os.path.dirname(found))) / name)
    interpreter = add_python(tree)
    for name in IN_REPOSITORY:
        source = REPOSITORY / name
        if source.is_dir():
            tree.add_directory(source, Path("/estiba") / name)
        elif source.exists():
            shutil.copy2(source, tree.place(Path("/estiba") / name))
    compile_modules(tree, interpreter)
    (tree.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    (tree.root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (tree.root / "etc/os-release").write_text('PRETTY_NAME="Estiba test machine"\n')
    add_modules(tree, kernel, busybox)
    build_programs(tree)
    init = tree.root / "init"
    init.write_text(INIT.format(interpreter=interpreter, command=command))
    init.chmod(0o755)
    with output.open("wb") as disk:
        disk.truncate(2 << 30)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-I", "256", "-O", "^has_journal", "-d", tree.root, output],
        check=True,
        env=_with_sbin(),
    )


def compile_modules(tree: Tree, interpreter: Path) -> None:
    """Byte code of what has none yet: every start of Python would compile it anew, slowly."""
    root = str(tree.root)
    packages = [f"{root}/estiba/src", f"{root}/site", *map(str, (tree.root / "usr/lib").glob("python3*"))]
    command = [interpreter, "-m", "compileall", "-q", "-s", root, "-p", "/", *packages]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # a library may have files of other versions


def add_modules(tree: Tree, kernel: Kernel, busybox: Path) -> None:
    """The kernel's modules, which it loads itself by /sbin/modprobe."""
    shutil.copytree(kernel.modules, tree.root / "usr/lib/modules" / kernel.modules.name, symlinks=True)
    (tree.root / "usr/sbin/modprobe").symlink_to("/usr/bin/busybox")
    depmod = shutil.which("depmod", path=_with_sbin()["PATH"])
    program = [depmod] if depmod else [str(busybox), "depmod"]
    subprocess.run([*program, "-b", tree.root, kernel.modules.name], check=True, stderr=subprocess.DEVNULL)


def build_programs(tree: Tree) -> None:
    """The C programs, because the machine has no compiler: its make only fetches what was built here."""
    probes = tree.root / "estiba/probes"
    probes.mkdir(parents=True)
    source = REPOSITORY / "tests/kernel/native/seccomp_probe.c"
    subprocess.run(["gcc", "-O1", "-static", "-o", probes / "seccomp_probe", source], check=True)
    make = ["make", "-s", "-C", REPOSITORY / "native", f"OUT={probes}"]
    subprocess.run(make, check=True)
    subprocess.run([*make, probes / "plan-run"], check=True)
    programs = tree.root / "estiba/src/estiba/bin"
    programs.mkdir(exist_ok=True)
    for name in ("estiba-shim", "hello"):
        shutil.copy2(probes / name, programs / name)
    make_script = tree.root / "usr/bin/make"
    make_script.write_text(MAKE)
    make_script.chmod(0o755)


def _with_sbin() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}


MAKE = """#!/bin/sh
for target; do :; done
/usr/bin/busybox mkdir -p "${target%/*}"
cp /estiba/probes/"${target##*/}" "$target"
"""

INIT = """#!/usr/bin/busybox sh
export PATH=/usr/bin:/usr/sbin HOME=/root LANG=C.UTF-8 TERM=dumb
export PYTHONPATH=/estiba/src:/site PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
export ESTIBA_TEST_PROBES=/estiba/probes ESTIBA_SHIM=/estiba/probes/estiba-shim PYTHON={interpreter}
mount() {{ /usr/bin/busybox mount "$@"; }}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
/usr/bin/busybox mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t securityfs securityfs /sys/kernel/security
/usr/bin/busybox ln -s /proc/self/fd /dev/fd
/usr/bin/busybox ip link set lo up
/usr/bin/busybox modprobe overlay
cd /estiba
{command}
echo "estiba-machine-exit: $?"
/usr/bin/busybox sync
/usr/bin/busybox poweroff -f
"""
