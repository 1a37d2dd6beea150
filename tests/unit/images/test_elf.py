"""The ELF reader, against readelf and the loader's own answer on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from estiba.images.elf import find_library, parse_cache, read_elf

PROGRAMS = [path for path in ("/bin/ls", "/bin/bash", "/usr/bin/perl", sys.executable) if Path(path).exists()]


@pytest.mark.skipif(not shutil.which("readelf"), reason="needs binutils")
@pytest.mark.parametrize("program", PROGRAMS)
def test_needed_as_readelf_sees_it(program: str) -> None:
    output = subprocess.run(["readelf", "-dlW", program], capture_output=True, text=True, check=True).stdout
    needed = [line.partition("[")[2].partition("]")[0] for line in output.splitlines() if "(NEEDED)" in line]
    interpreter = output.partition("program interpreter: ")[2].partition("]")[0]
    elf = read_elf(program)
    assert elf is not None
    assert list(elf.needed) == needed
    assert elf.interpreter == interpreter


@pytest.mark.parametrize("program", PROGRAMS)
def test_libraries_as_the_loader_finds_them(program: str) -> None:
    elf = read_elf(program)
    assert elf is not None
    if not elf.interpreter:
        pytest.skip("a static program")
    output = subprocess.run([elf.interpreter, "--list", program], capture_output=True, text=True, check=True).stdout
    expected = {}
    for line in output.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow:
            expected[name] = rest.split(" (")[0]
    for name in elf.needed:
        if name in expected:
            found = find_library(name, elf)
            assert found is not None
            assert Path(found).samefile(expected[name])


def test_what_is_no_elf(tmp_path: Path) -> None:
    for content in (b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 200):
        (tmp_path / "f").write_bytes(content)
        assert read_elf(str(tmp_path / "f")) is None
    assert parse_cache(b"something else") == {}
