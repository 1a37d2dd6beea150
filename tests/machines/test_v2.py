"""The tests that matter there, under pure cgroup v2 and on the kernel of Debian 12, in a virtual machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run_v2.py")
IMPOSSIBLE = 3
SECONDS = 600


@pytest.mark.timeout(SECONDS + 60)
def test_pure_cgroup_v2_on_the_kernel_of_debian_12() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    command = [sys.executable, SCRIPT, f"--timeout={SECONDS}", "-ra"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode == IMPOSSIBLE:
        pytest.skip(lines[-1])
    print(done.stdout)
    summary = [line for line in lines if re.search(r"\d+ passed.* in ", line)]
    assert done.returncode == 0, f"{summary}: the output of the machine is above"
    assert len(summary) == 1
    assert int(re.findall(r"(\d+) passed", summary[0])[0]) > 80
    assert "failed" not in summary[0]
