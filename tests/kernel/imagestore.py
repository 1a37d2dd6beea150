"""Image archives made by hand, and a store to load them into."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from estiba.images.store import ImageStore
from estiba.snapshots.layers import Layers
from estiba.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.images.image import ContainerUse
    from estiba.images.progress import Progress

Files = dict[str, bytes | str | None]


def tar_of(files: Files) -> bytes:
    """A tar: bytes are files, None is a directory, text a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config_of(*layers: bytes, **more: Any) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            "history": [{"created": "2026-01-02T03:04:05Z", "created_by": f"step {i}"} for i in range(len(layers))],
            **more,
        }
    ).encode()


def docker_archive(config: bytes, layers: list[bytes], tags: list[str] | None) -> Files:
    """As Docker 1.10 to 24 wrote it."""
    files: Files = {}
    paths = []
    for number, layer in enumerate(layers):
        files[f"{number}/VERSION"] = b"1.0"
        files[f"{number}/layer.tar"] = layer
        paths.append(f"{number}/layer.tar")
    name = hashlib.sha256(config).hexdigest() + ".json"
    files[name] = config
    files["manifest.json"] = json.dumps([{"Config": name, "RepoTags": tags, "Layers": paths}]).encode()
    return files


def oci_archive(config: bytes, layers: list[tuple[str, bytes]], names: list[str]) -> Files:
    blobs = {digest(config): config} | {digest(data): data for _, data in layers}
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config),
                "size": len(config),
            },
            "layers": [{"mediaType": kind, "digest": digest(data), "size": len(data)} for kind, data in layers],
        }
    ).encode()
    blobs[digest(manifest)] = manifest
    described = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(manifest),
            "size": len(manifest),
            "annotations": {"org.opencontainers.image.ref.name": name},
        }
        for name in names
    ]
    files: Files = {"blobs/sha256/" + key.partition(":")[2]: data for key, data in blobs.items()}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": described}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    return files


BASE = tar_of({"etc": None, "etc/a": b"one", "bin": "usr/bin"})
UPPER = tar_of({"etc": None, "etc/b": b"two", "etc/.wh.a": b""})


class Place:
    """A store in a directory of its own, which can be opened again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self._stack = ExitStack()
        self.open()

    def open(self) -> None:
        self.database = self._stack.enter_context(Database(self.root / "estiba.db"))
        self.layers = self._stack.enter_context(Layers(self.root, self.database))
        self.store = ImageStore(self.root, self.database, self.layers)
        self.store.reconcile()

    def close(self) -> None:
        self._stack.close()

    def again(self) -> ImageStore:
        self.close()
        self.open()
        return self.store

    def blobs(self) -> set[str]:
        return set(os.listdir(self.root / "images/blobs/sha256"))

    def leftovers(self) -> list[str]:
        return list(os.listdir(self.root / "tmp")) + [
            n for n in os.listdir(self.root / "layers") if n.startswith(".new")
        ]


def load(store: ImageStore, data: bytes | Files) -> list[str]:
    """Load and return what is printed."""
    lines: list[str] = []

    def report(progress: Progress) -> None:
        lines.extend([progress.stream.rstrip()] if progress.stream else [])

    store.load(io.BytesIO(tar_of(data) if isinstance(data, dict) else data), report)
    return lines


def tree(place: Place, name: str) -> dict[str, Any]:
    """The merged root of an image."""
    found: dict[str, Any] = {}
    with place.layers.view(place.store.get(name).chain_ids) as root:
        for directory, below, files, fd in os.fwalk(".", dir_fd=root):
            for entry in [*below, *files]:
                path = os.path.normpath(os.path.join(directory, entry))
                s = os.stat(entry, dir_fd=fd, follow_symlinks=False)
                content: Any = None
                if os.path.stat.S_ISREG(s.st_mode):
                    with open(os.open(entry, os.O_RDONLY, dir_fd=fd), "rb") as f:
                        content = f.read()
                elif os.path.stat.S_ISLNK(s.st_mode):
                    content = os.readlink(entry, dir_fd=fd)
                found[path] = content
    return found


def free(identity: str) -> list[ContainerUse]:
    return []


def lines(removals: Any) -> list[str]:
    """Removals as the docker command prints them."""
    return [f"Untagged: {r.untagged}" if r.untagged else f"Deleted: {r.deleted}" for r in removals]
