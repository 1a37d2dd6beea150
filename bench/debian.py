"""A Debian of 200 MB as an archive that `docker load` takes, made on the spot."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from bench.images import add_directory, add_file

DEBIAN = "estiba-bench-debian"
DEBIAN_SIZE = 200_000_000


def debian(directory: Path) -> tuple[Path, Path]:
    """(docker-archive, its one layer as plain tar): a debootstrap tree, padded to 200 MB with more files.

    Where debootstrap has no mirror, the files are this machine's own /usr: many small ones, as in a distribution.
    """
    tree = directory / "tree"
    if not _bootstrap(tree):
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
    _pad(tree, Path("/usr"), DEBIAN_SIZE)
    layer = directory / "layer.tar"
    subprocess.run(["tar", "--numeric-owner", "-C", str(tree), "-cf", str(layer), "."], check=True)
    shutil.rmtree(tree)
    archive = directory / "debian.tar"
    _docker_archive(archive, layer)
    return archive, layer


def _bootstrap(tree: Path) -> bool:
    if shutil.which("debootstrap") is None:
        return False
    sources = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if not sources:
        return False
    site, codename = sources[0].split()[:2]
    command = ["debootstrap", "--variant=minbase", codename, str(tree), site]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _pad(tree: Path, source: Path, size: int) -> None:
    """Copy regular files of `source` below /padding until the tree has `size` bytes."""
    total = sum(os.lstat(path).st_size for path in map(Path, _files(tree)))
    for number, path in enumerate(_files(source)):
        length = os.lstat(path).st_size
        if total >= size:
            return
        if length > 4_000_000:
            continue
        target = tree / "padding" / str(number // 200)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / str(number))
        total += length


def _files(tree: Path) -> list[str]:
    found = [os.path.join(place, name) for place, _, names in os.walk(tree) for name in names]
    return sorted(path for path in found if os.path.isfile(path) and not os.path.islink(path))


def _docker_archive(archive: Path, layer: Path) -> None:
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [f"{DEBIAN}:latest"], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(archive, "w") as out:
        add_file(out, "config.json", json.dumps(config).encode())
        add_file(out, "manifest.json", json.dumps(manifest).encode())
        add_directory(out, digest)
        out.add(layer, f"{digest}/layer.tar")
