"""The workloads, each for both sides: enqueue, drain, round trip."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from marks import Marks

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ROUND_TRIPS = 500
DEADLINE_S = 120.0


def measure_qtasks(directory: Path, tasks: int) -> dict[str, float]:
    """All figures of QTasks: microseconds per task, milliseconds per round trip."""
    marks = _environment(directory, BENCH_URL=f"sqlite:///{directory}/qtasks.db")
    side = _fresh("side_qtasks")
    figures = {"enqueue": _per_task(side.noop.add_task, tasks // 4)}
    _drain(marks, tasks // 4, _qtasks_worker(10))
    figures["bulk"] = _bulk(side, side.noop, tasks)
    figures["drain_async"] = _drain(marks, tasks, _qtasks_worker(10))
    _bulk(side, side.noop, tasks)
    figures["drain_async_100"] = _drain(marks, tasks, _qtasks_worker(100))
    _bulk(side, side.noop_thread, tasks)
    figures["drain_sync"] = _drain(marks, tasks, _qtasks_worker(10))
    with _qtasks_worker(10):
        figures |= _round_trips(lambda value: side.noop.add_task(value, timeout=DEADLINE_S).returning)
    return figures


def measure_huey(directory: Path, tasks: int) -> dict[str, float]:
    """All figures of huey, in the same units."""
    marks = _environment(directory, BENCH_HUEY=str(directory / "huey.db"))
    side = _fresh("side_huey")
    figures = {"enqueue": _per_task(side.noop, tasks // 4)}
    figures["drain"] = _drain(marks, tasks // 4, _huey_worker())
    with _huey_worker():
        figures |= _round_trips(lambda value: side.noop(value).get(blocking=True, backoff=1, max_delay=0.001))
    return figures


def _environment(directory: Path, **variables: str) -> Marks:
    os.environ.update(variables, BENCH_MARKS=str(directory / "marks"))
    return Marks(os.environ["BENCH_MARKS"])


def _fresh(module: str) -> Any:
    """Import a side anew: each round has its own database."""
    sys.modules.pop(module, None)
    return __import__(module)


def _per_task(call: Callable[[int], Any], count: int) -> float:
    call(0)  # opens the connection
    before = time.perf_counter()
    for value in range(count - 1):
        call(value)
    return (time.perf_counter() - before) / (count - 1) * 1e6


def _bulk(side: Any, task: Any, count: int) -> float:
    before = time.perf_counter()
    for start in range(0, count, 1000):
        side.app.add_tasks([task(value) for value in range(start, min(start + 1000, count))])
    return (time.perf_counter() - before) / count * 1e6


def _drain(marks: Marks, count: int, worker: contextlib.AbstractContextManager[None]) -> float:
    """Start a worker on a full queue; from the first body to the last."""
    marks.reset()
    with worker:
        deadline = time.monotonic() + DEADLINE_S
        while marks.read()[0] < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"only {marks.read()[0]} of {count} tasks ran within {DEADLINE_S:g} s")
            time.sleep(0.05)
    done, first, last = marks.read()
    return (last - first) / (done - 1) * 1e6


def _round_trips(call: Callable[[int], Any]) -> dict[str, float]:
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


def _qtasks_worker(concurrency: int) -> contextlib.AbstractContextManager[None]:
    return running([str(BIN / "qtasks"), "-A", "side_qtasks:app", "run", "-c", str(concurrency), "-l", "warning"])


def _huey_worker() -> contextlib.AbstractContextManager[None]:
    quiet = ["-q", "-d", "0.001", "-m", "0.001", "-b", "1"]
    return running([str(BIN / "huey_consumer"), "side_huey.huey", "-k", "thread", "-w", "1", *quiet])


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[None]:
    """A worker in a process group of its own, stopped by SIGTERM."""
    process = subprocess.Popen(command, cwd=HERE, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
