"""What huey runs in the benchmarks: `huey_consumer side_huey.huey -k thread -w 1`."""

from __future__ import annotations

import os

from huey import SqliteHuey
from qtasks_testkit.benchmarks.marks import marks_from_environment

# Its best: without these it waits for the disk at every commit, and is five times slower.
huey = SqliteHuey("bench", filename=os.environ["BENCH_HUEY"], journal_mode="wal", fsync=False, cache_mb=64)
marks = marks_from_environment()


@huey.task()
def noop(value: int) -> int:
    """Answer at once."""
    marks.hit()
    return value
