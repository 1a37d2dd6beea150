"""The docker command moving data: copies, images in and out, commits, volumes, prunes."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Command


class TestCopy:
    def test_a_file_both_ways(self, docker: Command, name: str, tmp_path: Path) -> None:
        docker("create", "--name", name, "bb", "true")
        (tmp_path / "in").write_bytes(os.urandom(100_000))
        docker("cp", str(tmp_path / "in"), f"{name}:/tmp/there")
        docker("cp", f"{name}:/tmp/there", str(tmp_path / "out"))
        assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()

    def test_directories(self, docker: Command, running: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "a").mkdir(parents=True)
        (tree / "a" / "b").write_text("b")
        (tree / "l").symlink_to("a/b")
        os.chmod(tree / "a", 0o700)
        docker("cp", str(tree), f"{running}:/tmp")
        assert docker("exec", running, "sh", "-c", "cat /tmp/tree/l; stat -c %a /tmp/tree/a") == "b700"
        docker("cp", f"{tree}/.", f"{running}:/new")
        assert docker("exec", running, "cat", "/new/a/b") == "b"
        docker("cp", f"{running}:/tmp/tree/.", str(tmp_path / "back"))
        assert (tmp_path / "back" / "a" / "b").read_text() == "b"
        assert os.readlink(tmp_path / "back" / "l") == "a/b"

    def test_owners(self, docker: Command, name: str, tmp_path: Path) -> None:
        docker("run", "--name", name, "bb", "sh", "-c", "touch /tmp/x; chown 5:6 /tmp/x; chmod 4711 /tmp/x")
        docker("cp", f"{name}:/tmp/x", str(tmp_path / "x"))
        status = (tmp_path / "x").stat()
        # the command's doing: ours gives nothing out of a container the rights of another owner here
        kept = 0o711 if docker.program[0].endswith("estiba") else 0o4711
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 0, kept)
        os.chown(tmp_path / "x", 7, 8)
        docker("cp", str(tmp_path / "x"), f"{name}:/tmp/a")
        with tarfile.open(fileobj=io.BytesIO(docker.bytes("export", name))) as archive:
            owners = {m.name: (m.uid, m.gid) for m in archive if m.name.startswith("tmp/")}
        assert owners == {"tmp/x": (5, 6), "tmp/a": (7, 8)}

    def test_streams(self, docker: Command, name: str) -> None:
        docker("create", "--name", name, "bb", "true")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("from/stdin")
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
        docker("cp", "-", f"{name}:/tmp", stdin=buffer.getvalue())
        with tarfile.open(fileobj=io.BytesIO(docker.bytes("cp", f"{name}:/tmp/from", "-"))) as content:
            assert content.getnames() == ["from", "from/stdin"]

    def test_links_and_absent_ones(self, docker: Command, name: str, tmp_path: Path) -> None:
        docker("run", "--name", name, "bb", "ln", "-s", "/etc/passwd", "/tmp/l")
        docker("cp", f"{name}:/tmp/l", str(tmp_path / "l"))
        assert os.readlink(tmp_path / "l") == "/etc/passwd"
        docker("cp", "-L", f"{name}:/tmp/l", str(tmp_path / "f"))
        assert (tmp_path / "f").read_text().startswith("root:")
        assert "Could not find the file /nosuch" in docker.error("cp", f"{name}:/nosuch", str(tmp_path))

    def test_into_volumes_and_read_only_roots(self, docker: Command, name: str, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("f")
        docker("create", "--name", name, "--read-only", "-v", "/data", "bb", "cat", "/data/f")
        docker("cp", str(tmp_path / "f"), f"{name}:/data/f")
        assert docker("start", "-a", name) == "f"
        assert "read-only" in docker.error("cp", str(tmp_path / "f"), f"{name}:/f")


class TestImages:
    def test_import_history_tag_rmi(self, docker: Command, name: str) -> None:
        image = f"{name}-image"
        arguments = ("-c", 'CMD ["echo", "imported"]', "-c", "ENV A=1", "-m", "from a test", "-", f"{image}:1")
        identity = docker("import", *arguments, stdin=busybox_tar())
        assert docker("run", "--rm", f"{image}:1") == "imported"
        assert docker("history", "--format", "{{.Comment}}", f"{image}:1") == "from a test"
        docker("tag", f"{image}:1", f"{image}:2")
        assert docker("images", "-q", "--no-trunc", image).splitlines() == [identity, identity]
        assert docker("rmi", f"{image}:1") == f"Untagged: {image}:1"
        assert f"Deleted: {identity}" in docker("rmi", f"{image}:2")
        assert "No such image" in docker.error("rmi", image)

    def test_commit(self, docker: Command, name: str) -> None:
        image = f"{name}-image"
        docker("run", "--name", name, "bb", "sh", "-c", "echo mine > /mine")
        identity = docker("commit", "-a", "me", "-m", "why", "-c", 'CMD ["cat", "/mine"]', name, image)
        assert docker("run", "--rm", image) == "mine"
        found = json.loads(docker("inspect", image))[0]
        assert (found["Id"], found["Author"], found["Comment"]) == (identity, "me", "why")
        assert len(found["RootFS"]["Layers"]) == 2
        assert "image is being used" in docker.error("rmi", "bb") or "must force" in docker.error("rmi", "bb")
        docker("rmi", image)

    def test_save_and_load(self, docker: Command, name: str, tmp_path: Path) -> None:
        one, two = f"{name}-one:1", f"{name}-two:2"
        docker("run", "--name", name, "bb", "touch", "/x")
        identity = docker("commit", name, one)
        docker("tag", one, two)
        docker("save", "-o", str(tmp_path / "both.tar"), one, two)
        with tarfile.open(tmp_path / "both.tar") as archive:
            assert {"manifest.json", "index.json", "oci-layout"} <= set(archive.getnames())
        docker("rmi", one, two)
        said = docker("load", "-i", str(tmp_path / "both.tar")).splitlines()
        assert sorted(said) == [f"Loaded image: {one}", f"Loaded image: {two}"]
        assert docker("images", "-q", "--no-trunc", f"{name}-one") == identity
        stream = docker.bytes("save", one)
        docker("rmi", one, two)
        assert docker("load", stdin=stream) == f"Loaded image: {one}"
        assert docker("run", "--rm", one, "ls", "/x") == "/x"
        docker("rmi", one)

    def test_what_is_in_use_stays(self, docker: Command, name: str) -> None:
        image = f"{name}-image"
        docker("import", "-", image, stdin=busybox_tar())
        docker("create", "--name", name, image, "true")
        said = docker.error("rmi", image)
        assert f'unable to remove repository reference "{image}" (must force)' in said
        assert docker("rmi", "-f", image).startswith(f"Untagged: {image}:latest\n")
        docker("start", "-a", name)

    def test_export_is_the_whole(self, docker: Command, name: str) -> None:
        docker("run", "--name", name, "bb", "sh", "-c", "echo x > /x")
        with tarfile.open(fileobj=io.BytesIO(docker.bytes("export", name))) as archive:
            names = set(archive.getnames())
        assert {"x", "bin/busybox", "etc/passwd", ".dockerenv", "dev", "proc", "sys"} <= names

    def test_filters_and_formats(self, docker: Command) -> None:
        assert docker("images", "--format", "{{.Repository}}:{{.Tag}}", "bb") == "bb:latest"
        assert docker("images", "-q", "-f", "reference=b*") != ""
        assert docker("images", "-q", "-f", "reference=nosuch") == ""
        assert docker("images", "--digests", "bb").splitlines()[0].split()[2] == "DIGEST"
        assert "invalid filter" in docker.error("images", "-f", "nosuch=1")


class TestVolumes:
    def test_a_life(self, docker: Command, name: str) -> None:
        assert docker("volume", "create", "--label", "a=b", name) == name
        assert docker("volume", "ls", "-q", "-f", f"name=^{name}$", "-f", "label=a=b") == name
        found = json.loads(docker("volume", "inspect", name))[0]
        assert (found["Driver"], found["Labels"], found["Scope"]) == ("local", {"a": "b"}, "local")
        docker("run", "--name", name, "-v", f"{name}:/v", "bb", "touch", "/v/x")
        assert os.listdir(found["Mountpoint"]) == ["x"]
        assert "volume is in use" in docker.error("volume", "rm", name)
        docker("rm", name)
        assert docker("volume", "rm", name) == name
        assert "no such volume" in docker.error("volume", "inspect", name)

    def test_first_use_copies_the_image_s_content(self, docker: Command, name: str) -> None:
        assert docker("run", "--rm", "-v", f"{name}:/etc", "bb", "cat", "/etc/group").startswith("root:")
        assert docker("run", "--rm", "-v", f"{name}:/m:ro", "bb", "cat", "/m/group").startswith("root:")
        docker("run", "--rm", "--mount", f"type=volume,src={name}-n,dst=/etc,volume-nocopy", "bb", "/bin/sh", "-c", ":")
        assert docker("run", "--rm", "-v", f"{name}-n:/m", "bb", "ls", "/m") == "hostname\nhosts\nresolv.conf"
        docker("volume", "rm", name, f"{name}-n")

    def test_volumes_from(self, docker: Command, name: str) -> None:
        docker("run", "--name", name, "-v", "/data", "bb", "sh", "-c", "echo shared > /data/x")
        assert docker("run", "--rm", "--volumes-from", name, "bb", "cat", "/data/x") == "shared"
        docker("run", "--rm", "--volumes-from", f"{name}:ro", "bb", "touch", "/data/y", code=1)

    def test_prune(self, docker: Command, name: str) -> None:
        docker("volume", "create", "--label", f"of={name}", name)
        assert name not in docker("volume", "prune", "-f", "--filter", f"label=of={name}")  # named: kept without -a
        assert name in docker("volume", "prune", "-fa", "--filter", f"label=of={name}")


class TestPrune:
    def test_containers(self, docker: Command, name: str) -> None:
        identity = docker("create", "-l", f"of={name}", "--name", name, "bb", "true")
        assert identity in docker("container", "prune", "-f", "--filter", f"label=of={name}")
        assert docker("ps", "-aq", "-f", f"name=^{name}$") == ""

    def test_images(self, docker: Command, name: str) -> None:
        docker("run", "--name", name, "bb", "touch", "/x")
        identity = docker("commit", "-c", f"LABEL of={name}", name)
        assert identity in docker("image", "prune", "-f", "--filter", f"label=of={name}")
        assert docker("images", "-aq", "-f", f"label=of={name}") == ""

    def test_everything(self, docker: Command) -> None:
        assert "Total reclaimed space" in docker("system", "prune", "-f", "--filter", "label=nosuch")


@pytest.mark.parametrize("compression", ["gz", "xz", "bz2"])
def test_load_of_compressed_archives(docker: Command, name: str, tmp_path: Path, compression: str) -> None:
    docker("tag", "bb", f"{name}:c")
    plain = docker.bytes("save", f"{name}:c")
    docker("rmi", f"{name}:c")
    with tarfile.open(fileobj=io.BytesIO(plain)) as source, tarfile.open(tmp_path / "t", f"w:{compression}") as target:
        for member in source:
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
    assert docker("load", "-i", str(tmp_path / "t")) == f"Loaded image: {name}:c"
    docker("rmi", f"{name}:c")
