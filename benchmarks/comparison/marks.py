"""Time stamps that task bodies leave in shared memory: who finished when, whatever the queue says.

Each process has a file of its own below the folder that `BENCH_MARKS` names: an array of `perf_counter` values, which
is one clock for all processes of a machine. The same for every framework under test, so that its cost (about 0.3
microseconds) falls on all alike.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from bisect import bisect_left
from itertools import count
from pathlib import Path

CAPACITY = 1 << 20
"""How many stamps one process can leave; the file is sparse, so room that is not used costs nothing."""

_STAMP = struct.Struct("=d")


class Marks:
    """The stamps of this process.

    Args:
        folder: where the files of all processes are, in shared memory.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open()
        os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        with (Path(self._folder) / str(os.getpid())).open("w+b") as file:
            file.truncate(CAPACITY * _STAMP.size)
            self._map = mmap.mmap(file.fileno(), CAPACITY * _STAMP.size)
        self._offsets = count(0, _STAMP.size)  # its next() is one step under the GIL: threads need no lock

    def hit(self) -> None:
        """Called at the end of a task body."""
        _STAMP.pack_into(self._map, next(self._offsets), time.perf_counter())


def read(folder: str) -> list[list[float]]:
    """Return the stamps of every process that left any, each list in the order of time."""
    stamps = []
    for path in Path(folder).iterdir():
        if path.stat().st_size == 0:
            continue  # its process has made it this moment
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
            view.cast("d") as values,
        ):
            hits = bisect_left(values, True, key=lambda stamp: stamp == 0)
            stamps.append(sorted(values[:hits]))
    return [each for each in stamps if each]


def count_all(folder: str) -> int:
    """Return how many bodies have run, in all processes."""
    return sum(map(len, read(folder)))
