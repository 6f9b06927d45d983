"""What the tasks of every peer do: each framework wraps these in functions of its own.

`python -m comparison.bodies 500` spins so many times alone and prints the seconds: the ideal of the CPU row.
"""

from __future__ import annotations

import os
import sys
import time

from comparison.marks import Marks

if "BENCH_MARKS" in os.environ:
    hit = Marks(os.environ["BENCH_MARKS"]).hit


def spin() -> None:
    """About a millisecond of bytecode."""
    total = 0
    for number in range(30_000):
        total += number


def main() -> None:
    """Spin as often as the first argument says."""
    before = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        spin()
    sys.stdout.write(f"{time.perf_counter() - before}\n")


if __name__ == "__main__":
    main()
