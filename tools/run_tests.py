"""Runs all tests in an order that fails early, and ends with how many were skipped, and why.

    run_tests.py [PYTEST ARGUMENT...]      arguments go to every part

Unit tests run in parallel; tests that use the kernel, an engine or clients run one after another. The shim's own tests
run a second time on a build with the address and undefined-behaviour sanitizers.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

SANITIZED = Path("native/build/sanitized")
NOTHING_COLLECTED = 5


@dataclass(frozen=True)
class Part:
    """Tests that run in one go."""

    name: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, arguments: list[str]) -> tuple[bool, list[str]]:
        """Whether all went well, and pytest's lines about skips."""
        paths = [path for path in self.paths if Path(path).is_file() or any(Path(path).rglob("test_*.py"))]
        if not paths:
            return True, []
        print(f"── {self.name}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-rs", *paths, *self.options, *arguments]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **self.environment}, check=False
        )
        print(done.stdout, end="")
        print(f"── {self.name}: {time.monotonic() - began:.0f} s", flush=True)
        skips = re.findall(r"^SKIPPED .*", done.stdout, re.MULTILINE)
        return done.returncode in (0, NOTHING_COLLECTED), skips


PARTS = (
    Part("unit", ("tests/unit",), ("-n", "2")),
    Part("contract and fuzz", ("tests/contract", "tests/fuzz")),
    Part("kernel", ("tests/kernel",)),
    Part(
        "shim with sanitizers",
        tuple(f"tests/kernel/test_{name}.py" for name in ("shim", "attach", "logs", "exec")),
        environment={
            "ESTIBA_SHIM": str(SANITIZED.resolve() / "estiba-shim"),
            # the shim is not dumpable, which the leak checker would need
            "ASAN_OPTIONS": "detect_leaks=0",
        },
    ),
    Part("API", ("tests/api",)),
    Part("clients", ("tests/clients",)),
    Part("stories", ("tests/e2e",)),
    Part("machines", ("tests/machines",)),
)


def main(arguments: list[str]) -> int:
    """Run every part, also after one failed; 1 if any failed."""
    make = [
        "make",
        "-s",
        "-C",
        "native",
        "SANITIZE=1",
        f"OUT={SANITIZED.resolve()}",
        f"{SANITIZED.resolve()}/estiba-shim",
    ]
    SANITIZED.mkdir(parents=True, exist_ok=True)
    subprocess.run(make, check=True)
    failed: list[str] = []
    skips: list[str] = []
    for part in PARTS:
        well, skipped = part.run(arguments)
        skips += skipped
        if not well:
            failed.append(part.name)
    print(f"── skipped: {len(skips)}")
    print("\n".join(skips))
    print(f"── failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
