"""Runs all tests in an order that fails early, and ends with how many were skipped, and why.

    run_tests.py [PYTEST ARGUMENT...]      arguments go to every part

Unit tests run in parallel; tests that use the kernel, an engine or clients run one after another.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

PARTS = (
    ("unit", ["tests/unit", "-n", "2"]),
    ("contract and fuzz", ["tests/contract", "tests/fuzz"]),
    ("kernel", ["tests/kernel"]),
    ("API", ["tests/api"]),
    ("clients", ["tests/clients"]),
    ("stories", ["tests/e2e"]),
)
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run every part, also after one failed; 1 if any failed."""
    failed: list[str] = []
    skips: list[str] = []
    for name, selection in PARTS:
        paths = [path for path in selection if path.startswith("tests/") and any(Path(path).rglob("test_*.py"))]
        if not paths:
            continue
        options = [option for option in selection if not option.startswith("tests/")]
        print(f"── {name}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-rs", *paths, *options, *arguments]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ, check=False)
        print(process.stdout, end="")
        print(f"── {name}: {time.monotonic() - began:.0f} s", flush=True)
        skips += re.findall(r"^SKIPPED .*", process.stdout, re.MULTILINE)
        if process.returncode not in (0, NOTHING_COLLECTED):
            failed.append(name)
    print(f"── skipped: {len(skips)}")
    print("\n".join(skips))
    print(f"── failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
