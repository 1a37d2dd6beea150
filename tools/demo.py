"""`make demo`: containers on this machine within a minute, from nothing but this checkout; nothing stays but the venv.

An engine with a root directory of its own is started, used, and removed again. Userlands are made of packages that apt
downloads; where it cannot, that part is left out and says so.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

BUSYBOX = ("busybox-static",)
DEBIAN = (
    *("base-files", "bash", "coreutils", "dash", "libacl1", "libattr1", "libc6", "libgmp10"),
    *("libpcre2-8-0", "libselinux1", "libtinfo6"),
)
MERGED = ("bin", "sbin", "lib", "lib64")
BOLD, DIM, OFF = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
NEXT = """
To go on (as root):
  estiba run --rm -it host bash            a shell in a copy of this machine, where rm -rf /usr costs nothing
  estiba run -d --name web host python3 -m http.server
  estiba exec -it web sh;  estiba logs -f web;  estiba ps -a
  docker -H unix:///run/estiba.sock ps     the same engine through the docker command
  estiba doctor                            what this machine can do, and how to mend what it cannot
The command is .venv/bin/estiba; it starts an engine when it needs one.
"""


class Demo:
    """One engine for the length of the demo."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "estiba.sock"
        self.estiba = str(Path(sys.executable).with_name("estiba"))
        self.engine: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Demo:
        reader, writer = os.pipe()
        with open(self.directory / "log", "wb") as log:
            self.engine = subprocess.Popen(
                [
                    *(self.estiba, "serve", "--root", str(self.directory / "root")),
                    *("--run-dir", str(self.directory / "run"), "-H", f"unix://{self.socket}"),
                    f"--ready-fd={writer}",
                ],
                pass_fds=[writer],
                stdout=log,
                stderr=log,
            )
        os.close(writer)
        with open(reader, "rb") as ready:
            if not ready.read(1):
                raise SystemExit(f"the engine did not start:\n{(self.directory / 'log').read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        if self.engine is not None:
            containers = self.output("ps", "-aq").split()
            if containers:
                self.output("rm", "-f", *containers)
            self.engine.terminate()
            self.engine.wait()

    def environment(self) -> dict[str, str]:
        """With the engine's socket for both commands."""
        host = f"unix://{self.socket}"
        return {**os.environ, "ESTIBA_HOST": host, "DOCKER_HOST": host}

    def show(self, *words: str) -> None:
        """Run a command as a user would, and show both."""
        print(f"\n{BOLD}$ {' '.join(words)}{OFF}", flush=True)
        program = [self.estiba, *words[1:]] if words[0] == "estiba" else list(words)
        subprocess.run(program, env=self.environment(), check=True)

    def output(self, *words: str, data: bytes | None = None) -> str:
        """Run `estiba` without showing it."""
        done = subprocess.run(
            [self.estiba, *words], env=self.environment(), input=data, stdout=subprocess.PIPE, check=True
        )
        return done.stdout.decode()


def main() -> int:
    """The demo; 0 when everything worked."""
    if os.geteuid() != 0:
        print("the demo runs containers and needs root: sudo make demo", file=sys.stderr)
        return 1
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="estiba-demo-", dir="/var/tmp"))
    try:
        with Demo(directory) as demo:
            demo.show("estiba", "run", "--rm", "hello")
            print(f"{DIM}{time.monotonic() - began:.1f} s after the start of the demo{OFF}")
            demo.show("estiba", "run", "--rm", "host", "sh", "-c", ". /etc/os-release; echo this machine: $PRETTY_NAME")
            userlands(demo)
            if shutil.which("docker"):
                demo.show("estiba", "run", "-d", "--name", "demo", "host", "sleep", "60")
                demo.show("docker", "ps")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(NEXT)
    return 0


def userlands(demo: Demo) -> None:
    """A Debian and a busybox userland side by side on the one kernel."""
    try:
        images = {"debian": userland(demo.directory / "debian", DEBIAN), "busybox": busybox(demo.directory / "busybox")}
    except (OSError, subprocess.CalledProcessError):
        print(f"\n{DIM}apt cannot download here: no Debian and busybox userland this time{OFF}")
        return
    for name, archive in images.items():
        demo.output("import", "-", name, data=archive)
    print(f"\n{BOLD}Two userlands on one kernel ({platform.release()}):{OFF}")
    debian = "echo $(. /etc/os-release; echo $PRETTY_NAME), bash $BASH_VERSION, kernel $(</proc/sys/kernel/osrelease)"
    demo.show("estiba", "run", "--rm", "debian", "bash", "-c", debian)
    lines = "echo $(busybox | head -n 1), kernel $(uname -r)"
    demo.show("estiba", "run", "--rm", "busybox", "sh", "-c", lines)


def download(directory: Path, packages: tuple[str, ...]) -> list[Path]:
    """The packages' files. Raises OSError or CalledProcessError where apt cannot."""
    directory.mkdir()
    # apt's unprivileged downloader has no access to a root-owned directory
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return sorted(directory.glob("*.deb"))


def userland(directory: Path, packages: tuple[str, ...]) -> bytes:
    """A root file system of packages' files, with /bin, /lib … merged into /usr, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in MERGED:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(link)
        for package in download(directory, packages):
            content = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", str(package)], check=True, capture_output=True
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(content)) as files:
                for member in files:
                    add_merged(archive, files, member)
    return buffer.getvalue()


def add_merged(archive: tarfile.TarFile, files: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Copy one entry of a package, below /usr where that is merged."""
    name = member.name.removeprefix("./")
    if name in ("", ".", *MERGED):
        return
    if name.split("/")[0] in MERGED:
        member.name = f"usr/{name}"
    if member.islnk() and member.linkname.removeprefix("./").split("/")[0] in MERGED:
        member.linkname = f"usr/{member.linkname.removeprefix('./')}"
    archive.addfile(member, files.extractfile(member) if member.isreg() else None)


def busybox(directory: Path) -> bytes:
    """A root file system with busybox and its applets."""
    buffer = io.BytesIO(userland(directory, BUSYBOX))
    with tarfile.open(fileobj=buffer) as packed:
        program = packed.extractfile("usr/bin/busybox")
        content = program.read() if program is not None else b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("bin/busybox")
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
        for applet in ("sh", "ls", "uname", "head", "cat", "ps", "vi"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
