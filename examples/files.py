"""Give a container a file, let it work, take the result: no shared directory, nothing of this machine is mounted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import estiba

REQUESTS = "GET /a\nGET /b\nGET /a\nPOST /a\nGET /a\n"


def main() -> None:
    """Count the lines of a file."""
    with (
        tempfile.TemporaryDirectory() as name,
        estiba.Engine(os.environ.get("ESTIBA_ROOT"), run=os.environ.get("ESTIBA_RUN_DIR")) as engine,
    ):
        directory = Path(name)
        (directory / "requests.log").write_text(REQUESTS)
        count = "sort /tmp/requests.log | uniq -c | sort -rn > /tmp/report.txt"
        container = engine.containers.create("host", ["sh", "-c", count], network="none")
        container.copy_to(directory / "requests.log", "/tmp")
        container.start()
        if container.wait(timeout=30) != 0:
            with container.logs() as logs:
                raise RuntimeError(logs.stderr.read())
        container.copy_from("/tmp/report.txt", directory)
        print((directory / "report.txt").read_text())


if __name__ == "__main__":
    main()
