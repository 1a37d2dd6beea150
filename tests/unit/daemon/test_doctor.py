from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from estiba.daemon import doctor
from estiba.linux import cgroupfs, features, host

if TYPE_CHECKING:
    from pathlib import Path

HOST = host.detect()


def by_name(machine: host.Host, root: Path) -> dict[str, doctor.Finding]:
    found = doctor.examine(machine, root)
    names = [finding.name for finding in found]
    assert len(set(names)) == len(names)
    return {finding.name: finding for finding in found}


def test_every_shortcoming_has_a_fix(tmp_path: Path) -> None:
    nothing = replace(
        HOST,
        features=features.Features(**{field.name: 0 for field in fields(features.Features)}),  # type: ignore[arg-type]
        limits=host.find_limits(cgroupfs.Cgroups("none", (), None)),
        cgroups=cgroupfs.Cgroups("none", (), None),
        capabilities=frozenset(),
        effective=frozenset(),
        apparmor=False,
        selinux=False,
        ipv4_forwarding=False,
        kvm=False,
    )
    found = by_name(nothing, tmp_path)
    missing = [finding for finding in found.values() if not finding.ok]
    assert len(missing) > 20
    assert all(finding.fix and finding.detail for finding in missing)
    assert all(not finding.fix for finding in found.values() if finding.ok)
    assert not found["cgroups"].ok
    assert found["cgroups"].required
    assert found["memory limits"].detail == "-m has no effect"


def test_a_directory_that_does_not_exist_yet(tmp_path: Path) -> None:
    found = by_name(HOST, tmp_path / "not/yet")
    assert str(tmp_path) in found["disk space"].detail
    assert list(tmp_path.iterdir()) == []


def test_output_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main(["--root", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("✓ ", "✗ ")) for line in lines[:-1])
    assert lines[-1].endswith("containers run here" if code == 0 else "containers cannot run here yet")
    assert all(" → " in line for line in lines if line.startswith("✗"))


def test_output_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main(["--json", "--root", str(tmp_path)])
    answer = json.loads(capsys.readouterr().out)
    assert answer["fit"] == (code == 0)
    assert {"name", "ok", "required", "detail", "fix"} == set(answer["findings"][0])


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        doctor.main(["--help"])
    assert caught.value.code == 0
    assert "--json" in capsys.readouterr().out
