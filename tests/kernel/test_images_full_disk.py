"""A full file system, and an engine that dies: what was there stays readable, nothing half-made stays. Needs root.

Each story runs in a process with mounts of its own, where the store is on a small tmpfs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PREAMBLE = """
import io, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from estiba.errors import Unavailable
from estiba.images.making import Recipe
from estiba.oci.image import Defaults
from tests.kernel.imagestore import BASE, Place, config_of, docker_archive, load, tar_of, tree
root = Path({root!r})
"""


def story(tmp_path: Path, text: str, size: str = "") -> str:
    """Run a script; with `size` on a tmpfs of that size."""
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    repository = str(Path(__file__).parents[2])
    script = tmp_path / "story.py"
    script.write_text(PREAMBLE.format(tests=repository, root=str(root)) + textwrap.dedent(text))
    command = [sys.executable, str(script)]
    if size:
        mount = f"mount -t tmpfs -o size={size} none {root} && exec {sys.executable} {script}"
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", mount]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_space_for_load_import_and_commit(tmp_path: Path) -> None:
    story(
        tmp_path,
        """
        place = Place(root / "store")
        load(place.store, docker_archive(config_of(BASE), [BASE], ["small:1"]))
        before = (place.blobs(), [layer.key for layer in place.layers.list()])
        big = tar_of({f"f{i}": os.urandom(1 << 20) for i in range(24)})
        for work in (
            lambda: load(place.store, docker_archive(config_of(big), [big], ["big:1"])),
            lambda: place.store.import_archive(io.BytesIO(big), reference="big:1"),
            lambda: place.store.commit(io.BytesIO(big), Recipe(Defaults(), parent=place.store.get("small:1"))),
        ):
            try:
                work()
            except Unavailable as error:
                assert "no space left on device" in error.message, error.message
            else:
                raise AssertionError("there was space")
            assert place.leftovers() == []
            assert (place.blobs(), [layer.key for layer in place.layers.list()]) == before
            assert tree(place, "small:1")["etc/a"] == b"one"
            place.layers.trash.drain(30)
        place.again()
        assert [i.references for i in place.store.list()] == [("small:1",)]
        medium = tar_of({"f": os.urandom(1 << 20)})
        load(place.store, docker_archive(config_of(medium), [medium], ["medium:1"]))
        place.close()
        """,
        size="16m",
    )


def test_no_space_for_records(tmp_path: Path) -> None:
    story(
        tmp_path,
        """
        place = Place(root / "store")
        load(place.store, docker_archive(config_of(BASE), [BASE], ["small:1"]))
        filler = open(root / "filler", "wb", buffering=0)
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
        failed = 0
        for i in range(200):
            try:
                place.store.tag("small:1", f"name{i}")
            except Unavailable as error:
                assert "no space left" in error.message, error.message
                failed += 1
        assert failed
        assert place.store.get("small:1").size == 3
        filler.truncate(0)
        place.store.tag("small:1", "again")
        place.again()
        assert place.store.get("again").id == place.store.get("small:1").id
        filler.close()
        place.close()
        """,
        size="2m",
    )


def test_no_space_for_a_volumes_first_use(tmp_path: Path) -> None:
    story(
        tmp_path,
        """
        from estiba.store.database import Database
        from estiba.volumes.local import VolumeStore
        (root / "content").mkdir()
        (root / "content/f").write_bytes(os.urandom(5 << 20))
        source = os.open(root / "content", os.O_RDONLY)
        with Database(root / "estiba.db") as database:
            store = VolumeStore(root, database)
            volume = store.create("v1")
            try:
                store.fill(volume, source)
            except Unavailable as error:
                assert "cannot copy the image's content into volume v1: no space left" in error.message
            else:
                raise AssertionError("there was space")
            assert os.listdir(volume.mountpoint.parent) == ["_data"] and not os.listdir(volume.mountpoint)
        """,
        size="8m",
    )


WORK = """
place = Place(root / "store")
one = tar_of({"etc/": None, **{f"etc/f{i}": os.urandom(2000) for i in range(300)}})
two = tar_of({"etc/": None, "etc/.wh.f1": b"", **{f"g{i}": os.urandom(2000) for i in range(300)}})
print("ready", flush=True)
while True:
    load(place.store, docker_archive(config_of(one), [one], ["x:1"]))
    load(place.store, docker_archive(config_of(one, two), [one, two], ["y:1"]))
    place.store.import_archive(io.BytesIO(one), reference="i:1", changes=["CMD x"])
    place.store.commit(io.BytesIO(two), Recipe(Defaults(), parent=place.store.get("x:1")), reference="c:1")
    place.store.tag("c:1", "d", "1")
    for name in ("d:1", "c:1", "y:1", "x:1", "i:1"):
        place.store.remove(name, in_use=lambda _: [])
"""

CHECK = """
place = Place(root / "store")
assert place.leftovers() == [], place.leftovers()
images = place.store.list(everything=True)
needed = {d[7:] for i in images for d in (i.id, i.manifest, *(layer.digest for layer in i.layers))}
assert place.blobs() == needed, place.blobs() ^ needed
assert {layer.key for layer in place.layers.list()} == {key for i in images for key in i.chain_ids}
for image in images:
    found = tree(place, image.id)
    assert len(found) >= 300 and all(content is None or len(content) == 2000 for content in found.values())
    out = io.BytesIO()
    place.store.save([image.id], out.write)
place.layers.trash.drain(30)
assert os.listdir(root / "store/trash") == []
place.close()
"""


def test_killed_at_any_point(tmp_path: Path) -> None:
    """kill -9 while images come and go, again and again on the same root."""
    root = tmp_path / "root"
    root.mkdir()
    repository = str(Path(__file__).parents[2])
    (tmp_path / "work.py").write_text(PREAMBLE.format(tests=repository, root=str(root)) + WORK)
    chance = random.Random(7)
    for _ in range(25):
        with subprocess.Popen([sys.executable, str(tmp_path / "work.py")], stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            try:
                worker.wait(chance.uniform(0.01, 0.4))
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
            worker.wait()
            assert worker.returncode == -signal.SIGKILL, "the worker failed by itself"
        story(tmp_path, CHECK)
