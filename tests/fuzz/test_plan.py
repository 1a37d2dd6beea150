"""Damaged launch plans against the interpreter's parser, built with the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba.oci.runtime_spec import Capabilities, Linux, Mount, Namespace, Process, Root, Spec, User
from estiba.runtime.plan import Descriptors, LogFile, Stdio, compile_plan
from estiba.runtime.plan_operations import HEADER, Code

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE = Path(__file__).parents[2] / "native"
SEED = 20251124
CASES = 30_000
BATCH = 500


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parser with its sanitizers."""
    output = tmp_path_factory.mktemp("sanitized")
    target = output / "plan-check"
    build = ["make", "-s", "-C", str(NATIVE), "SANITIZE=1", f"OUT={output}", str(target)]
    if subprocess.run(build, check=False, capture_output=True).returncode:
        pytest.skip("this machine's compiler has no sanitizers")
    return target


def _valid() -> bytes:
    process = Process(
        args=["sh", "-c", "true"],
        env=["PATH=/bin", "A=b"],
        user=User(additional_gids=[1, 2, 3]),
        capabilities=Capabilities(bounding=["CAP_CHOWN"]),
    )
    spec = Spec(
        root=Root(path="/r"),
        process=process,
        hostname="h",
        mounts=[Mount(destination="/proc", type="proc", source="proc", options=["nosuid"])],
        linux=Linux(namespaces=[Namespace(type="pid")], masked_paths=["/proc/kcore"]),
    )
    log = LogFile(Path("/l"), "log", 1, 1)
    return compile_plan(spec, stdio=Stdio(), log=log, descriptors=Descriptors()).encode()


def _resized(plan: bytes) -> bytes:
    """With the header's size made right, so that the damage inside is reached."""
    return plan[:12] + struct.pack("<I", len(plan)) + plan[16:] if len(plan) >= HEADER.size else plan


def _damaged(plan: bytes, chance: random.Random) -> bytes:
    data = bytearray(plan)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at : at + chance.randrange(64)] = b""
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randrange(64))
        elif kind == 3:
            data[at & ~7 : (at & ~7) + 8] = struct.pack("<Q", chance.choice((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)))
        elif kind == 4 and at + 4 <= len(data):
            data[at & ~3 : (at & ~3) + 4] = struct.pack("<I", chance.choice((0, 39, 40, 48, len(data), 2**32 - 8)))
        else:
            data[at : at + 2] = struct.pack("<H", chance.choice([*Code, 0, 9, 56, 65535]))
    return bytes(data) if chance.random() < 0.2 else _resized(bytes(data))


def _cases() -> Iterator[bytes]:
    chance, plan = random.Random(SEED), _valid()
    yield from (plan[:length] for length in range(len(plan)))
    yield from (_resized(plan[:length]) for length in range(len(plan)))
    for _ in range(CASES):
        yield _damaged(plan, chance)
    for _ in range(CASES // 10):
        yield chance.randbytes(chance.randrange(200))


def _answers(checker: Path, plans: list[bytes]) -> bytes:
    frames = b"".join(struct.pack("<I", len(plan)) + plan for plan in plans)
    run = subprocess.run([checker], input=frames, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    assert len(run.stdout) == len(plans)
    return run.stdout


def test_a_valid_plan_is_accepted(checker: Path) -> None:
    assert _answers(checker, [_valid()]) == b"\x01"


def test_damaged_plans_are_refused_or_harmless(checker: Path) -> None:
    batch: list[bytes] = []
    refused = 0
    for plan in _cases():
        batch.append(plan)
        if len(batch) == BATCH:
            refused += _answers(checker, batch).count(0)
            batch = []
    assert refused > CASES // 3


def test_shortened_plans_are_refused(checker: Path) -> None:
    plan = _valid()
    assert set(_answers(checker, [plan[:length] for length in range(len(plan))])) == {0}


@pytest.mark.parametrize("code", [Code.STDIO, Code.LOG, Code.DESCRIPTORS, Code.SHIM_CGROUP, Code.OOM])
def test_outer_operations_after_the_clone_are_refused(checker: Path, code: Code) -> None:
    plan = bytearray(_valid())
    at = HEADER.size
    while int.from_bytes(plan[at : at + 2], "little") != Code.PIVOT:
        at += int.from_bytes(plan[at + 4 : at + 8], "little")
    plan[at : at + 2] = struct.pack("<H", code)
    assert _answers(checker, [bytes(plan)]) == b"\0"
