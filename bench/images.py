"""The small image of the bench, made on the spot around a static busybox."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from bench.api import Api, Refused

SMALL = "estiba-bench-small"
LINES_SIZE = 16_000_000
LINE = 100


def small_image() -> bytes:
    """A root file system: busybox with its applets, and /lines, text of 16 MB in lines of 100 bytes."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("the bench needs a static busybox: apt install busybox-static")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        add_directory(archive, "bin")
        add_file(archive, "bin/busybox", Path(busybox).read_bytes(), 0o755)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        add_file(archive, "lines", lines(), 0o644)
    return buffer.getvalue()


def lines() -> bytes:
    """Lines that differ, so that a lost or doubled one shows."""
    filler = "abcdefghijklmnopqrstuvwxyz" * 4
    return b"".join(f"{number:09d} {filler}"[: LINE - 1].encode() + b"\n" for number in range(LINES_SIZE // LINE))


def import_small(api: Api) -> None:
    """Put the small image into an engine, by /images/create from the body."""
    with open(os.memfd_create("image"), "w+b") as file:
        file.write(small_image())
        api.upload(f"/images/create?fromSrc=-&repo={SMALL}&tag=latest", file)


def remove(api: Api, *names: str) -> None:
    """Take images away again; absent ones are fine."""
    for name in names:
        try:
            api.call("DELETE", f"/images/{name}?force=1")
        except Refused:
            continue


def add_directory(archive: tarfile.TarFile, name: str) -> None:
    """Append a directory."""
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)


def add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Append a regular file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))
