"""The size gates: files of at most 600 lines, functions of at most 60, and 95 of 100 functions of at most 35."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MOST_FILE = 600
MOST_FUNCTION = 60
USUAL_FUNCTION = 35
USUAL_SHARE = 0.95


def functions(path: Path) -> list[tuple[str, int]]:
    """Each function of a file: its place and its length in lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (f"{path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def main(directories: list[str]) -> int:
    """Print what is too long; 1 if anything is."""
    problems: list[str] = []
    lengths: list[int] = []
    for path in sorted(path for directory in directories for path in Path(directory).rglob("*.py")):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MOST_FILE:
            problems.append(f"{path}: {lines} lines (at most {MOST_FILE})")
        for place, length in functions(path):
            lengths.append(length)
            if length > MOST_FUNCTION:
                problems.append(f"{place}: {length} lines (at most {MOST_FUNCTION})")
    for path in sorted(Path("native").glob("*.[ch]")):
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MOST_FILE:
            problems.append(f"{path}: {lines} lines (at most {MOST_FILE})")
    share = sum(length <= USUAL_FUNCTION for length in lengths) / max(1, len(lengths))
    if share < USUAL_SHARE:
        problems.append(f"only {share:.1%} of the functions have at most {USUAL_FUNCTION} lines ({USUAL_SHARE:.0%})")
    print("\n".join(problems) or f"sizes: {len(lengths)} functions, {share:.1%} within {USUAL_FUNCTION} lines")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
