"""Images with members that no honest one has, and a place of the host that nothing may touch."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Command


def look(directory: Path) -> list[tuple[str, int, int, str]]:
    found = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_mode, status.st_uid, path.read_text() if path.is_file() else ""))
    return [(str(directory), directory.stat().st_mode, directory.stat().st_uid, ""), *found]


def make_image(docker: Command, name: str, *members: tarfile.TarInfo, **changes: str) -> str:
    """busybox with further or other members; links replace directories of the same name."""
    replaced = {member.name for member in members}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(busybox_tar())) as base, tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in base:
            if member.name not in replaced:
                archive.addfile(member, base.extractfile(member) if member.isreg() else None)
        for member in members:
            archive.addfile(member)
    options = [word for key, value in changes.items() for word in ("-c", f"{key} {value}")]
    docker("import", *options, "-", name, stdin=buffer.getvalue())
    return name


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def regular(name: str, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member
