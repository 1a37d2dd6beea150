"""A fresh machine for every test, as pytest fixtures: what a test breaks is gone with its container.

pytest examples/test_installer.py      (as root)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import estiba

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLER = """#!/bin/sh
set -e
test ! -e /usr/local/bin/greet || { echo greet is installed already >&2; exit 1; }
printf '#!/bin/sh\\necho hello, $1\\n' > /usr/local/bin/greet
chmod +x /usr/local/bin/greet
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[estiba.Engine]:
    """One engine for all tests of this file; nothing that they made stays."""
    with estiba.Engine(os.environ.get("ESTIBA_ROOT"), run=os.environ.get("ESTIBA_RUN_DIR")) as engine:
        yield engine


@pytest.fixture
def machine(engine: estiba.Engine, tmp_path: Path) -> Iterator[estiba.Container]:
    """A copy of this machine's userland with the installer in /root."""
    script = tmp_path / "install.sh"
    script.write_text(INSTALLER)
    script.chmod(0o755)
    container = engine.start("host", ["sleep", "infinity"], network="none")
    container.copy_to(script, "/root")
    yield container
    container.remove(force=True)


def test_it_installs(machine: estiba.Container) -> None:
    assert machine.exec("/root/install.sh").returncode == 0
    assert machine.exec(["greet", "world"]).stdout == "hello, world\n"


def test_it_refuses_to_install_twice(machine: estiba.Container) -> None:
    machine.exec("/root/install.sh")
    again = machine.exec("/root/install.sh")
    assert (again.returncode, again.stderr) == (1, "greet is installed already\n")


def test_it_removes_nothing_of_the_machine(machine: estiba.Container) -> None:
    machine.exec("rm -rf /usr/local")
    assert Path("/usr/local").is_dir()
