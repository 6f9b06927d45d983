"""The workloads of the peer: the same as those of `qtasks_testkit.benchmarks`, in the words of huey."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from qtasks_testkit.benchmarks.scenarios import BIN, drain, environment, per_task, round_trips, running

HERE = Path(__file__).parent


def measure_huey(directory: Path, tasks: int) -> dict[str, float]:
    """All figures of huey: microseconds per task, milliseconds per round trip."""
    marks = environment(directory, BENCH_HUEY=str(directory / "huey.db"))
    sys.modules.pop("side_huey", None)  # each round has its own database
    import side_huey

    figures = {"enqueue": per_task(side_huey.noop, tasks // 4)}
    figures["drain"] = drain(marks, tasks // 4, _worker())
    with _worker():
        figures |= round_trips(lambda value: side_huey.noop(value).get(blocking=True, backoff=1, max_delay=0.001))
    return figures


def _worker() -> AbstractContextManager[None]:
    quiet = ["-q", "-d", "0.001", "-m", "0.001", "-b", "1"]
    return running([str(BIN / "huey_consumer"), "side_huey.huey", "-k", "thread", "-w", "1", *quiet], HERE)
