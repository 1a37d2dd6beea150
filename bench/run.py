"""`python -m bench.run`: Estiba beside Docker, repetition by repetition in turns, in one run on one machine.

    --quick          small numbers and few repetitions: shows that the bench works
    --only NAME      this row alone (may be repeated)
    --repeat N       repetitions of every row
    --publish        also write docs/bench.svg
    --directory DIR  where the roots of the engines that the bench starts are made, /var/tmp unless said otherwise

Needs root. Docker is the engine at DOCKER_PEER_HOST, else this machine's dockerd; else Estiba alone is measured.

Both engines should have their roots on one file system, with a journal: ext4 without one avoids inodes that were freed
during the last minutes, so that after many removals every new file costs a search through all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import drawing, processes, report
from bench.api import Refused
from bench.engines import Engine, engines
from bench.figures import DOCKER, Series
from bench.images import SMALL, import_small, remove
from bench.row import Row, Setting
from bench.rows import attach, commands, copying, listing, lives, loading, logs, memory

# what an engine still does after its answer is not the next one's to wait for
PAUSE_SECONDS = 0.15
HERE = Path(__file__).parent
ROWS: tuple[Row, ...] = (
    *lives.ROWS,
    *commands.ROWS,
    *loading.ROWS,
    *memory.ROWS,
    *logs.ROWS,
    *attach.ROWS,
    *copying.ROWS,
    *listing.ROWS,
)


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="bench.run", description="Estiba beside Docker, in one run.")
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that the bench works")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS], metavar="NAME", help="this row")
    parser.add_argument("--repeat", type=int, help="repetitions of every row")
    parser.add_argument("--directory", default="/var/tmp", metavar="DIR", help="where the engines' roots are made")
    parser.add_argument("--publish", action="store_true", help="also write docs/bench.svg")
    return parser.parse_args(argv)


def measure(row: Row, running: list[Engine], setting: Setting, repeat: int) -> Series:
    """Repetitions in turns, A B A B, so that noise of the machine hits both engines."""
    series = Series()
    with ExitStack() as stack:
        samplers = [
            (engine.name, stack.enter_context(row.measure(engine, setting)))
            for engine in running
            if engine.name in row.engines
        ]
        for number in range(row.warm + repeat):
            for name, sampler in samplers:
                time.sleep(PAUSE_SECONDS)
                sample = sampler()
                if number >= row.warm:
                    series.add(name, sample)
    return series


def run(options: argparse.Namespace, directory: Path, shared_memory: Path) -> report.Result:
    """Everything that was asked for, one row after another."""
    setting = Setting(directory, shared_memory, options.quick)
    load_before = processes.load()
    results: list[report.Result] = []
    with engines(directory, shared_memory) as running, ExitStack() as stack:
        if not any(engine.name == DOCKER for engine in running):
            print("no Docker here (DOCKER_PEER_HOST, dockerd): Estiba alone is measured", file=sys.stderr)
        for engine in running:
            api = stack.enter_context(engine.api())
            import_small(api)
            stack.callback(remove, api, SMALL)
        for row in ROWS:
            if options.only and row.name not in options.only:
                continue
            repeat = options.repeat or (row.quick if options.quick else row.repeat)
            print(f"{row.name} … ", end="", file=sys.stderr, flush=True)
            try:
                results += report.entries(row, measure(row, running, setting, repeat))
            except (OSError, RuntimeError, Refused, subprocess.SubprocessError) as error:
                # the other figures are not thrown away for one
                print(f"failed: {error}", file=sys.stderr)
                results += report.entries(row, Series())
                continue
            print(report.shown(results[-len(row.targets)]["estiba"], row.targets[0].unit), file=sys.stderr)
        return report.document(running, results, load_before, quick=options.quick)


def main(argv: list[str]) -> int:
    """0 when everything could be measured; what was missed is in the table."""
    options = arguments(argv)
    if os.geteuid() != 0:
        print("the bench runs containers and needs root: sudo make bench", file=sys.stderr)
        return 1
    # what was started is ended by its context managers, also when somebody ends the bench
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = Path(tempfile.mkdtemp(prefix="estiba-bench-", dir=options.directory))
    shared_memory = Path(tempfile.mkdtemp(prefix="estiba-bench-", dir="/dev/shm"))
    try:
        document = run(options, directory, shared_memory)
    finally:
        shutil.rmtree(shared_memory)
        shutil.rmtree(directory, ignore_errors=True)
    print(report.table(document["results"]))
    if options.quick:
        print("\nquick: fewer containers, files and bytes than the rows say")
    load = document["machine"]["load"]
    print(f"\nload of the machine before and after: {load[0]}, {load[1]}; “ratio”: the ratio is met, the figure is not")
    write(document, publish=options.publish)
    return 1 if any(entry["estiba"] is None for entry in document["results"]) else 0


def write(document: report.Result, *, publish: bool) -> None:
    """results/latest.json and results/bench.svg, and the picture of the documentation."""
    place = HERE / "results"
    place.mkdir(exist_ok=True)
    (place / "latest.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    picture = drawing.picture(document)
    (place / "bench.svg").write_text(picture)
    if publish:
        (HERE.parent / "docs" / "bench.svg").write_text(picture)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
