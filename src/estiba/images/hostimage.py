"""What the image `host` shows of this machine, by allow-list: /usr, the links to it, and the harmless part of /etc.

Never: /root, /home, /var, /srv, /opt, /boot, and anything in /etc that is not root's and readable by everyone, that
has a name which secrets have, or content that looks like one. The rest of the root directory is an empty skeleton.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.images.archive import host_architecture
from estiba.images.durations import format_time
from estiba.linux.directories import DirectoryCache
from estiba.linux.files import write_all
from estiba.oci import digest as digests
from estiba.oci.image import Defaults, History, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARED: Final = ("usr",)
_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SKELETON: Final = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o555,
    "root": 0o700, "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755,
    "var": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/tmp": 0o1777,
}  # fmt: skip
_SKELETON_LINKS: Final = {"var/run": "/run", "var/lock": "/run/lock"}

# Names that secrets have, or that tell which machine this is; matched in every component below /etc.
_SECRET_NAME: Final = re.compile(
    r"key|secret|shadow|passwd-|group-|private|credential|token|\bauth\.conf|htpasswd|vault|wireguard|ipsec|"
    r"system-connections|wpa_supplicant|^fstab$|^crypttab|"
    r"^sudoers|^iscsi$|^docker$|^kubernetes$|^cni$|^letsencrypt$|\.(?:p12|pfx|jks|kdbx|ovpn|orig|bak|old)$|~$",
    re.IGNORECASE,
)
_SECRET_CONTENT: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY|[a-z]://[^\s/:@]+:[^\s/@]+@|"
    rb"(?im:^[^#;\n]*\b(?:password|passwd|passphrase|secret|token|api_?key)[ \t]*=[ \t]*[^\s#;])"
)
_OF_THE_RUNTIME: Final = frozenset({"hostname", "hosts", "machine-id", "resolv.conf"})
_LARGEST: Final = 4 << 20


@dataclass(frozen=True)
class HostFile:
    """A file, directory or link of the image: path without leading slash, and what it is like."""

    path: str
    mode: int
    mtime_ns: int
    content: bytes = b""
    link: str = ""


@dataclass(frozen=True)
class HostTree:
    """All of the layer, and the directories of the machine that lie over it.

    Attributes:
        digest: hexadecimal; equal trees have equal ones.
        size: bytes of the files.
    """

    files: tuple[HostFile, ...]
    overlays: tuple[tuple[str, str], ...]
    digest: str
    size: int


def scan(root: str = "/") -> HostTree:
    """Look at the machine. `root` is another directory in tests."""
    files = [HostFile(path, stat.S_IFDIR | mode, 0) for path, mode in _SKELETON.items()]
    files += [HostFile(path, stat.S_IFLNK | 0o777, 0, link=link) for path, link in _SKELETON_LINKS.items()]
    overlays = [(f"/{name}", os.path.join(root, name)) for name in _SHARED]
    for name in _LINKS:
        path = os.path.join(root, name)
        if os.path.islink(path):
            files.append(HostFile(name, stat.S_IFLNK | 0o777, 0, link=os.readlink(path)))
        elif os.path.isdir(path):  # a machine from before the merge of /usr
            files.append(HostFile(name, stat.S_IFDIR | 0o755, 0))
            overlays.append((f"/{name}", path))
    files += _harmless(os.path.join(root, "etc"))
    described = repr([(f.path, f.mode, f.mtime_ns, digests.of(f.content), f.link) for f in files] + overlays)
    size = sum(len(file.content) for file in files)
    return HostTree(tuple(files), tuple(overlays), digests.of(described.encode()).partition(":")[2], size)


def _harmless(etc: str) -> Iterator[HostFile]:
    for directory, below, names, descriptor in os.fwalk(etc):
        relative = os.path.join("etc", os.path.relpath(directory, etc)).removesuffix("/.")
        links = [name for name in below if stat.S_ISLNK(_status(name, descriptor).st_mode)]
        below[:] = sorted(name for name in below if name not in links and _may_enter(name, descriptor))
        for name in below:
            status = _status(name, descriptor)
            yield HostFile(f"{relative}/{name}", stat.S_IFDIR | 0o755, status.st_mtime_ns)
        for name in sorted([*names, *links]):
            file = _read(f"{relative}/{name}", name, descriptor)
            if file is not None:
                yield file


def _status(name: str, directory: int) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _may_enter(name: str, directory: int) -> bool:
    status = _status(name, directory)
    return status.st_uid == 0 and status.st_mode & 0o005 == 0o005 and not _SECRET_NAME.search(name)


def _read(path: str, name: str, directory: int) -> HostFile | None:
    status = _status(name, directory)
    if status.st_uid != 0 or name in _OF_THE_RUNTIME:
        return None
    if stat.S_ISLNK(status.st_mode):
        return HostFile(path, status.st_mode, status.st_mtime_ns, link=os.readlink(name, dir_fd=directory))
    if _SECRET_NAME.search(name):
        return None
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o004 or status.st_size > _LARGEST:
        return None
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with open(descriptor, "rb") as file:
        content = file.read(_LARGEST)
    if _SECRET_CONTENT.search(content):
        return None
    mode = stat.S_IFREG | (status.st_mode & 0o755)
    return HostFile(path, mode, status.st_mtime_ns, content=content)


def fill_layer(tree: HostTree, directory: int) -> None:
    """Write a tree into an empty directory; everything is root's. Raises OSError."""
    with DirectoryCache(directory) as made:
        for file in tree.files:
            parent, _, name = os.fsencode(file.path).rpartition(b"/")
            place = made.get(parent)
            if stat.S_ISDIR(file.mode):
                os.mkdir(name, 0o700, dir_fd=place)
                os.chmod(name, stat.S_IMODE(file.mode), dir_fd=place)
            elif stat.S_ISLNK(file.mode):
                os.symlink(file.link, name, dir_fd=place)
            else:
                _write(file, name, place)
        for file in reversed(tree.files):
            parent, _, name = os.fsencode(file.path).rpartition(b"/")
            times = (file.mtime_ns, file.mtime_ns)
            os.utime(name, ns=times, dir_fd=made.get(parent), follow_symlinks=False)


def _write(file: HostFile, name: bytes, directory: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        write_all(descriptor, file.content)
        os.fchmod(descriptor, stat.S_IMODE(file.mode))
    finally:
        os.close(descriptor)


def host_config(label: str, path: str) -> ImageConfig:
    """The configuration of the image `host`: a shell in this machine's own userland."""
    created = format_time(time.time_ns())
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return ImageConfig(
        architecture=host_architecture(),
        os="linux",
        created=created,
        comment="this machine's own programs",
        config=Defaults(cmd=[shell], env=[path], labels={label: "host"}, working_dir="/"),
        history=[History(created=created, created_by="estiba embedded host", comment="this machine's own programs")],
    )
