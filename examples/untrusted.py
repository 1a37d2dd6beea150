"""Run a script that nobody has read: no network, nothing to write to, few rights, little memory, little time.

A container shares the kernel with this machine. Against somebody who has a bug of the kernel at hand only a virtual
machine helps; see docs/security.md.
"""

from __future__ import annotations

import os

import estiba

SCRIPTS = {
    "well-behaved": "echo 6 times 7 is $((6 * 7))",
    "writes": "echo gotcha > /etc/motd",
    "calls home": "exec 3<>/dev/tcp/192.0.2.1/80",
    "takes memory": "tail /dev/zero",
    "multiplies": "exec sh -c 'for number in $(seq 100); do sleep 5 & done; wait'",
    "never ends": "while :; do :; done",
}


def judge(engine: estiba.Engine, script: str) -> str:
    """What became of a script, in a line."""
    try:
        result = engine.run(
            "host",
            ["bash", "-c", script],
            network="none",
            read_only=True,
            tmpfs=["/tmp:size=16m"],
            user="65534:65534",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            memory="32m",
            cpus=0.5,
            pids=16,
            timeout=3,
        )
    except estiba.Timeout:
        return "stopped after 3 s"
    if result.returncode == 137:
        return "killed"
    if result.returncode != 0:
        return f"failed: {result.stderr.strip().splitlines()[-1]}"
    return result.stdout.strip()


def main() -> None:
    """Judge them all."""
    with estiba.Engine(os.environ.get("ESTIBA_ROOT"), run=os.environ.get("ESTIBA_RUN_DIR")) as engine:
        for name, script in SCRIPTS.items():
            print(f"{name:14} {judge(engine, script)}")


if __name__ == "__main__":
    main()
