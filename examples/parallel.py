"""Run many containers at once with asyncio, at most a few at a time, and take the results as they come."""

from __future__ import annotations

import asyncio
import os
import time

import estiba.aio

JOBS = 12
AT_ONCE = 4


async def main() -> None:
    """Check sums of a dozen texts, each in a container of its own."""
    free = asyncio.Semaphore(AT_ONCE)

    async def checksum(number: int) -> tuple[int, str]:
        async with free:
            result = await engine.run("host", "sha256sum", input=f"job {number}\n", network="none", check=True)
            return number, result.stdout.split()[0]

    root, run = os.environ.get("ESTIBA_ROOT"), os.environ.get("ESTIBA_RUN_DIR")
    async with estiba.aio.Engine(root, run=run) as engine:
        began = time.monotonic()
        for finished in asyncio.as_completed([checksum(number) for number in range(JOBS)]):
            number, digest = await finished
            print(f"job {number:2}  {digest[:16]}")
        print(f"{JOBS} containers in {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
