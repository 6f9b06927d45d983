"""Time stamps that task bodies leave in shared memory: who finished when, whatever the queue says.

The same for every framework under test, so that its cost (about a microsecond) falls on all alike.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

_LAYOUT = struct.Struct("=qdd")  # how many bodies ran, when the first did, when the last did


class Marks:
    """A few bytes of a file that driver and worker both map.

    Args:
        path: the file; made when it is not there.
    """

    def __init__(self, path: str) -> None:
        file = Path(path)
        if not file.exists():
            file.write_bytes(bytes(_LAYOUT.size))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _LAYOUT.size)

    def hit(self) -> None:
        """Called by a task body: one process and one thread at a time (the drain of one worker)."""
        count, first, _ = _LAYOUT.unpack_from(self._map)
        now = time.perf_counter()
        _LAYOUT.pack_into(self._map, 0, count + 1, first or now, now)

    def read(self) -> tuple[int, float, float]:
        """How many bodies ran, and the `perf_counter` of the first and the last."""
        count, first, last = _LAYOUT.unpack_from(self._map)
        return count, first, last

    def reset(self) -> None:
        """Back to nothing."""
        _LAYOUT.pack_into(self._map, 0, 0, 0.0, 0.0)


def marks_from_environment() -> Marks:
    """The marks that the driver named in `BENCH_MARKS`."""
    return Marks(os.environ["BENCH_MARKS"])
