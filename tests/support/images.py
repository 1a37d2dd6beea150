"""Small images for tests, as archives that can be loaded or imported: made on the spot, no download."""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

COMMON = (
    "sh",
    "ls",
    "cat",
    "echo",
    "sleep",
    "true",
    "false",
    "id",
    "env",
    "mount",
    "ps",
    "kill",
    "touch",
    "mkdir",
    "rm",
)


@functools.cache
def busybox_path() -> str:
    """The static busybox of this machine."""
    path = shutil.which("busybox")
    if path is None:
        pytest.skip("busybox is missing: apt install busybox-static")
    return path


@functools.cache
def busybox_tar() -> bytes:
    """A root file system around busybox: all its applets, passwd and group with a user, the usual directories."""
    applets = subprocess.run([busybox_path(), "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in (
            ("bin", 0o755),
            ("etc", 0o755),
            ("root", 0o700),
            ("tmp", 0o1777),
            ("usr", 0o755),
            ("var", 0o755),
        ):
            _add(archive, name, tarfile.DIRTYPE, mode)
        _add(archive, "bin/busybox", tarfile.REGTYPE, 0o755, Path(busybox_path()).read_bytes())
        for applet in sorted(set(applets) | set(COMMON)):
            if applet != "busybox":
                _add(archive, f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
        passwd = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:User:/home/user:/bin/sh\n"
        group = b"root:x:0:\nusers:x:1000:\nextra:x:2000:user\n"
        _add(archive, "etc/passwd", tarfile.REGTYPE, 0o644, passwd)
        _add(archive, "etc/group", tarfile.REGTYPE, 0o644, group)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, kind: bytes, mode: int, content: bytes = b"", *, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size, member.linkname = kind, mode, len(content), link
    archive.addfile(member, io.BytesIO(content))


def docker_available() -> bool:
    """Whether the stock docker CLI is here."""
    return shutil.which("docker") is not None and os.access("/bin/sh", os.X_OK)
