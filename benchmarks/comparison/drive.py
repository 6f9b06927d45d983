"""Measures one workload of one peer, in the environment of that peer: `python -m comparison.drive REQUEST`.

The request is a JSON object with the fields of `Request`; the figures are printed as one JSON object, or null where the
peer cannot do the workload.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison import marks, redis_server
from comparison.faces import BULK, face_of
from comparison.workers import running

WAIT_S = 30.0
"""Most seconds to the first sign of a worker."""

STALL_S = 2.0
"""Workers that have ended no task for so long have failed."""

LIMIT_S = 90.0
"""Most seconds for all of it, beside filling and draining: then it fails, and stops its workers."""

CONCURRENCY = 100
"""Where the header of a peer's file says nothing else."""


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Args:
        module: the peer's, below `peers`.
        worker: the command of its worker.
        fastest: the concurrency at which it drains fastest, or None.
        workload: a name in `WORKLOADS`.
        tasks: how many a drain has at most.
        redis: the URL of the server.
        log: the file for the output of the worker.
        serial: whether a process runs one task at a time.
        seconds: most for filling a queue, and for draining it.
    """

    module: str
    worker: str
    fastest: int | None
    workload: str
    tasks: int
    redis: str
    log: str
    serial: bool = False
    seconds: float = 8.0


class Bench:
    """A peer, an empty server, and empty marks.

    Args:
        request: what is to be measured.
        folder: where the stamps are.
    """

    def __init__(self, request: Request, folder: str) -> None:
        self._request = request
        self._folder = folder
        self.redis, self.tasks = request.redis, request.tasks
        self.fastest = 1 if request.serial else request.fastest or CONCURRENCY
        self.serial = request.serial
        redis_server.flush(self.redis)
        self.peer = importlib.import_module(f"peers.{request.module}")
        self.face = face_of(self.peer)

    def worker(self, concurrency: int, processes: int = 1) -> contextlib.AbstractContextManager[list[int]]:
        """Run the worker."""
        return running(self._request.worker, concurrency, processes, self._request.log)

    def stamps(self) -> list[list[float]]:
        """Return the stamps of each process so far."""
        return marks.read(self._folder)

    def wait_for(self, count: int, seconds: float = WAIT_S) -> None:
        """Wait until so many bodies have run.

        Raises:
            TimeoutError: when they have not after so many seconds.
        """
        until = time.monotonic() + seconds
        while (ran := marks.count_all(self._folder)) < count:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{ran} of {count} tasks ran within {seconds:g} s; see {Path(self._request.log).name}"
                )
            time.sleep(0.005)

    def drain(
        self, task: str, value: float, *, concurrency: int, processes: int = 1, limit: int | None = None
    ) -> dict[str, float]:
        """Fill the queue, start the workers, and measure while all of them work.

        Args:
            task: the task's name.
            value: its argument.
            concurrency: tasks at a time in each process.
            processes: how many worker processes.
            limit: most tasks, by default as many as the request says.
        """
        count, last = self.face.run(self._fill(task, value, limit or self.tasks))
        with self.worker(concurrency, processes):
            self.wait_for(1)
            try:
                self.wait_for(count, self._request.seconds)
            except TimeoutError as late:  # a slow one is measured by what it did in that time
                if time.perf_counter() - max(each[-1] for each in self.stamps()) > STALL_S:
                    raise TimeoutError("the workers stopped working") from late
            else:
                if self.face.can_wait:
                    self._check(last, value)
        skip = concurrency if task == "wait" else 1  # what ends with the first wave began before the measurement
        rate = _steady_rate(self.stamps(), processes, skip)
        return {"per_s": rate, "us": 1e6 / rate, "tasks": count, "concurrency": concurrency}

    async def _fill(self, task: str, value: float, limit: int) -> tuple[int, Any]:
        """Add tasks, the last one alone for its handle, and return how many with that handle."""
        until, added, step = time.monotonic() + self._request.seconds, 1, BULK if self.face.has_bulk else 1
        while added < limit and time.monotonic() < until:
            batch = [value] * min(step, limit - added)  # one more task than are wanted would be a wave of its own
            if self.face.has_bulk:
                await self.face.add_many(task, batch)
            else:
                await self.face.add(task, value)
            added += len(batch)
        return added, await self.face.add(task, value)

    def _check(self, handle: Any, value: float) -> None:
        """The result of the last task is stored."""
        if (answer := self.face.run(self.face.result(handle))) != value:
            raise ValueError(f"the stored result of the last task is {answer!r}, where {value!r} was expected")


def _steady_rate(stamps: list[list[float]], processes: int, skip: int) -> float:
    """Tasks a second while all worker processes were at work.

    From the time when each had ended so many tasks to the time when the first of them ended its last.
    """
    if len(stamps) != processes:
        raise ValueError(f"{len(stamps)} processes ran tasks, where {processes} were started")
    begin = max(each[skip - 1] for each in stamps)
    end = min(each[-1] for each in stamps)
    if begin >= end:
        raise ValueError("the processes never worked at the same time: ask for more tasks")
    return sum(begin < stamp <= end for each in stamps for stamp in each) / (end - begin)


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError("the workload took too long")


def main() -> None:
    """Measure what the first argument says and print the figures."""
    from comparison.workloads import WORKLOADS

    logging.disable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the workers are stopped then, too
    request = Request(**json.loads(sys.argv[1]))
    signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S + 2 * request.seconds)
    shared_memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shared_memory, prefix="bench-marks-") as folder:
        os.environ |= {"BENCH_REDIS": request.redis, "BENCH_MARKS": folder}
        bench = Bench(request, folder)
        figures = WORKLOADS[request.workload](bench)
    print(json.dumps(figures), flush=True)
    os._exit(0)  # connections end with the process: closing them first hangs in some clients


if __name__ == "__main__":
    main()
