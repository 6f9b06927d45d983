"""The workloads: enqueue, drain, round trip. Completion is judged by time stamps of the task bodies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import new_id

from qtasks_testkit.benchmarks.marks import Marks

APP = "qtasks_testkit.benchmarks.side:app"
BIN = Path(sys.executable).parent
BULK = 1000
CONCURRENT = 100
ROUND_TRIPS = 500
DEADLINE_S = 120.0


ROWS = {
    "drain_async": ("drain, async no-op, concurrency 10", "us"),
    "drain_async_100": ("drain, async no-op, concurrency 100", "us"),
    "drain_sync": ("drain, sync no-op in threads, concurrency 10", "us"),
    "enqueue": ("enqueue one by one (blocking face)", "us"),
    "concurrent": ("enqueue concurrently (100 at a time)", "us"),
    "bulk": ("enqueue in bulk (1,000 a call)", "us"),
    "p50": ("round trip p50, idle worker", "ms"),
    "p95": ("round trip p95", "ms"),
    "p99": ("round trip p99", "ms"),
}
"""Each figure: what it says, and its unit."""


def measure(url: str, directory: Path, tasks: int) -> dict[str, float]:
    """All figures of a backend, in an application of its own: microseconds per task, milliseconds per round trip.

    Args:
        url: where it is.
        directory: for the time stamps.
        tasks: how many are drained; a quarter of that is added one by one.
    """
    name = f"bench.{new_id()}"
    marks = environment(directory, BENCH_URL=url, BENCH_NAME=name)
    app = QueueTasks(name, url)

    @app.task
    async def noop(value: int) -> int:
        raise NotImplementedError("it runs in the worker")

    @app.task
    def noop_thread(value: int) -> int:
        raise NotImplementedError("it runs in the worker")

    def round_trip(value: int) -> int | None:
        ended = noop.add_task(value, timeout=DEADLINE_S)
        assert ended is not None
        return ended.returning

    with contextlib.closing(app):
        few = tasks // 4
        figures = {"enqueue": per_task(noop.add_task, few)}
        drain(marks, few, worker(10))
        figures["concurrent"] = asyncio.run(_concurrent(url, name, few))
        drain(marks, few, worker(10))
        figures["bulk"] = _bulk(app, noop, tasks)
        figures["drain_async"] = drain(marks, tasks, worker(10))
        _bulk(app, noop, tasks)
        figures["drain_async_100"] = drain(marks, tasks, worker(100))
        _bulk(app, noop_thread, tasks)
        figures["drain_sync"] = drain(marks, tasks, worker(10))
        with worker(10):
            figures |= round_trips(round_trip)
    return figures


def environment(directory: Path, **variables: str) -> Marks:
    """Set what the worker is told, and make the marks that its tasks leave."""
    os.environ.update(variables, BENCH_MARKS=str(directory / "marks"))
    return Marks(os.environ["BENCH_MARKS"])


def per_task(call: Callable[[int], Any], count: int) -> float:
    """Add tasks one by one: microseconds for each."""
    call(0)  # opens the connection
    before = time.perf_counter()
    for value in range(count - 1):
        call(value)
    return (time.perf_counter() - before) / (count - 1) * 1e6


def _bulk(app: Any, task: Any, count: int) -> float:
    before = time.perf_counter()
    for start in range(0, count, BULK):
        app.add_tasks([task(value) for value in range(start, min(start + BULK, count))])
    return (time.perf_counter() - before) / count * 1e6


async def _concurrent(url: str, name: str, count: int) -> float:
    app = AsyncQueueTasks(name, url)
    await app.add_task("noop", 0)  # opens the connection
    before = time.perf_counter()
    for start in range(1, count, CONCURRENT):
        some = range(start, min(start + CONCURRENT, count))
        await asyncio.gather(*(app.add_task("noop", value) for value in some))
    took = time.perf_counter() - before
    await app.close()
    return took / (count - 1) * 1e6


def drain(marks: Marks, count: int, worker: AbstractContextManager[None]) -> float:
    """Start a worker on a full queue: microseconds per task, from the first body to the last."""
    marks.reset()
    with worker:
        deadline = time.monotonic() + DEADLINE_S
        while marks.read()[0] < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"only {marks.read()[0]} of {count} tasks ran within {DEADLINE_S:g} s")
            time.sleep(0.05)
    done, first, last = marks.read()
    return (last - first) / (done - 1) * 1e6


def round_trips(call: Callable[[int], Any]) -> dict[str, float]:
    """Add a task to an idle worker and wait for its result: milliseconds."""
    for value in range(20):
        call(value)
    times = []
    for value in range(ROUND_TRIPS):
        before = time.perf_counter()
        answer = call(value)
        times.append((time.perf_counter() - before) * 1e3)
        assert answer == value, answer
        time.sleep(0.002)  # the worker is idle again
    shares = statistics.quantiles(times, n=100)
    return {"p50": shares[49], "p95": shares[94], "p99": shares[98]}


def worker(concurrency: int = 10) -> AbstractContextManager[None]:
    """One worker process with its supervisor."""
    return running([str(BIN / "qtasks"), "-A", APP, "run", "-c", str(concurrency), "-l", "warning"])


@contextlib.contextmanager
def running(command: list[str], directory: Path | None = None) -> Iterator[None]:
    """A worker in a process group of its own, stopped by SIGTERM; what it said is shown when it failed."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=directory, start_new_session=True, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.returncode:
                log.seek(0)
                print(f"{command[0]} ended with {process.returncode}:\n{log.read().decode()}", file=sys.stderr)
