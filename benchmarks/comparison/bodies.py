"""What the tasks of every peer do: most frameworks wrap these in functions of their own.

`python -m comparison.bodies 500` spins so many times alone and prints the seconds: the ideal of the CPU row.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from comparison.marks import Marks

if "BENCH_MARKS" in os.environ:
    hit = Marks(os.environ["BENCH_MARKS"]).hit


def spin() -> None:
    """About a millisecond of bytecode."""
    total = 0
    for number in range(30_000):
        total += number


async def _noop(value: int) -> int:
    hit()
    return value


async def _wait(value: int) -> int:
    await asyncio.sleep(value / 1000)
    hit()
    return value


async def _spin(value: int) -> int:
    spin()
    hit()
    return value


def _noop_plainly(value: int) -> int:
    hit()
    return value


def _wait_plainly(value: int) -> int:
    time.sleep(value / 1000)
    hit()
    return value


def _spin_plainly(value: int) -> int:
    spin()
    hit()
    return value


def chosen() -> dict[str, Callable[[int], Any]]:
    """The tasks of a peer that takes any function, by name: coroutines, or plain functions with `BENCH_THREADS`."""
    plainly = {"noop": _noop_plainly, "wait": _wait_plainly, "spin": _spin_plainly}
    return plainly if "BENCH_THREADS" in os.environ else {"noop": _noop, "wait": _wait, "spin": _spin}


def main() -> None:
    """Spin as often as the first argument says."""
    before = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        spin()
    sys.stdout.write(f"{time.perf_counter() - before}\n")


if __name__ == "__main__":
    main()
