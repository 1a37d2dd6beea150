"""Images of this machine's programs, tried by running them with nothing else around."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from estiba.errors import InvalidArgument, NotFound
from estiba.images.from_host import Collection
from estiba.images.store import ImageStore
from estiba.snapshots.layers import Layers
from estiba.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def store(tmp_path: Path):
    with Database(tmp_path / "estiba.db") as database, Layers(tmp_path, database) as layers:
        store = ImageStore(tmp_path, database, layers)
        store.layers_for_test = layers  # type: ignore[attr-defined]
        yield store


def run(store: ImageStore, name: str, *command: str) -> str:
    """Run a command with the image as its root directory."""
    layers: Layers = store.layers_for_test  # type: ignore[attr-defined]
    directory = layers.directory(store.get(name).chain_ids[-1])
    done = subprocess.run(
        ["/usr/sbin/chroot", str(directory), *command],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_shell_and_a_program(store: ImageStore) -> None:
    image = store.from_host(["sh", "/bin/ls"], reference="tools:1")
    assert image.references == ("tools:1",)
    assert image.config.defaults.cmd == ["/usr/bin/sh"]
    assert run(store, "tools:1", "/bin/sh", "-c", "ls /etc/passwd") == "/etc/passwd\n"
    assert image.size < 20 << 20


def test_python_with_its_library(store: ImageStore) -> None:
    store.from_host(["/usr/bin/python3"], reference="py:1")
    script = "import ssl, sqlite3, json, ctypes, hashlib; print(json.dumps({'é': 1}, ensure_ascii=False))"
    assert run(store, "py:1", "/usr/bin/python3", "-c", script) == '{"é": 1}\n'


def test_a_script_brings_its_interpreter(store: ImageStore, tmp_path: Path) -> None:
    script = tmp_path / "hello-script"
    script.write_text("#!/usr/bin/env sh\necho from a script\n")
    script.chmod(0o755)
    store.from_host([str(script)], reference="script:1")
    assert run(store, "script:1", str(script)) == "from a script\n"


def test_what_is_not_there(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot find the program nosuch-program: it is in none of"):
        store.from_host(["sh", "nosuch-program"])
    with pytest.raises(InvalidArgument, match="/etc/passwd into an image: it is not executable"):
        store.from_host(["/etc/passwd"])
    with pytest.raises(InvalidArgument, match="no program given"):
        store.from_host([])
    assert store.list(everything=True) == []
    assert os.listdir(tmp_path / "tmp") == []


def test_a_library_that_is_missing_is_a_warning(tmp_path: Path) -> None:
    script = tmp_path / "s"
    script.write_text("#!/usr/bin/env nosuch-interpreter\n")
    script.chmod(0o755)
    collection = Collection()
    collection.add_program(str(script))
    assert collection.warnings == [f"{script} is run by nosuch-interpreter, which this machine does not have"]
