"""Pipe data through a program in a container: write to its stdin while its output is read line by line.

`host` is this machine's own userland, so every program of /usr is there, with nothing of /home or /root.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import estiba

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def sorted_by_container(engine: estiba.Engine, lines: Iterable[str]) -> Iterator[str]:
    """The lines in order. They never have to be in memory here at once: both directions are streams."""
    with engine.popen("host", ["sort", "--numeric-sort"], stdin=True, network="none") as process:
        stdin = process.stdin
        assert stdin is not None

        def feed() -> None:
            with stdin:
                for line in lines:
                    stdin.write(f"{line}\n")

        feeder = threading.Thread(target=feed)
        feeder.start()
        for line in process.stdout:
            yield line.rstrip("\n")
        feeder.join()
        if process.wait() != 0:
            raise RuntimeError(process.stderr.read())


def main() -> None:
    """Sort ten thousand numbers and print the ends."""
    with estiba.Engine(os.environ.get("ESTIBA_ROOT"), run=os.environ.get("ESTIBA_RUN_DIR")) as engine:
        numbers = (str(number * 7919 % 10_007) for number in range(10_000))
        result = list(sorted_by_container(engine, numbers))
    print(f"{len(result)} lines, from {result[0]} to {result[-1]}")


if __name__ == "__main__":
    main()
