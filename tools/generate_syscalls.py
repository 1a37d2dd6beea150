"""Writes src/estiba/linux/data/syscalls.json: system call name → number for every ABI that the seccomp compiler knows.

Input is a table in the form of libseccomp's `src/syscalls.csv` (first column the name, one column of numbers per
architecture, `PNR` where an architecture has no such call); take it from libseccomp's newest release:

    python tools/generate_syscalls.py path/to/syscalls.csv

The numbers are those of the kernel's `syscall.tbl` files; tests/unit/linux/test_syscalls.py compares them with the
headers of the machine it runs on. x32 numbers are without bit 30.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

ABIS = ("x86_64", "x86", "x32", "aarch64", "arm")
OUTPUT = Path(__file__).parent.parent / "src" / "estiba" / "linux" / "data" / "syscalls.json"


def read_table(path: Path) -> dict[str, dict[str, int]]:
    """Numbers per ABI; ARM's private calls (above 0xf0000) are kept, absent ones are left out."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    header = [column.split(" ")[0].lstrip("#") for column in rows[0]]
    tables: dict[str, dict[str, int]] = {}
    for abi in ABIS:
        column = header.index(abi)
        tables[abi] = {row[0]: int(row[column]) for row in rows[1:] if row and row[column].isdigit()}
    return tables


def main() -> int:
    """Convert the table named on the command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    tables = read_table(Path(sys.argv[1]))
    by_number = {abi: dict(sorted(table.items(), key=lambda item: (item[1], item[0]))) for abi, table in tables.items()}
    OUTPUT.write_text(json.dumps(by_number, indent=0) + "\n")
    print({abi: len(table) for abi, table in by_number.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
