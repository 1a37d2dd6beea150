"""Run the image that every engine has, and look at how it ended.

As root. The engine runs inside this very process; ESTIBA_ROOT and ESTIBA_RUN_DIR give it other places than the usual.
"""

from __future__ import annotations

import os

import estiba


def main() -> None:
    """Print what the container printed."""
    with estiba.Engine(os.environ.get("ESTIBA_ROOT"), run=os.environ.get("ESTIBA_RUN_DIR")) as engine:
        result = engine.run("hello")
        print(result.stdout)
        print(f"it ended with {result.returncode}")


if __name__ == "__main__":
    main()
