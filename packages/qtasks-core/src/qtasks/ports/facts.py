"""What backends and workers report: the facts behind `stats inspect`; and the figures that all backends promise."""

from __future__ import annotations

import enum
from typing import Any

import attrs

COUNTED_DEATHS = 3
"""As many deaths of its workers make a task dead."""

KEEP_ENDED_S = 7 * 86_400
"""How long a task is kept that ended without a worker, cancelled or expired: as long as failures by default."""

WORKER_SILENCE_S = 20
"""A worker that said nothing for as long, four beats by default, is forgotten."""

BUCKETS = 40
"""Buckets of a log2 histogram of microseconds: bucket n counts values below 2**n."""


class CancelAnswer(enum.StrEnum):
    """What came of a request to cancel."""

    CANCELLED = "cancelled"
    """It was waiting and will not run."""
    REQUESTED = "requested"
    """It runs; its worker was told."""
    FINISHED = "finished"
    """It had ended before."""
    UNKNOWN = "unknown"
    """No such task, or no longer kept."""


@attrs.frozen
class QueueFacts:
    """One queue as it is now.

    Args:
        name: its name.
        ready: tasks that could be taken at once.
        delayed: tasks that wait for their time, retries among them.
        running: tasks that a worker owns.
        dead: dead letters.
        oldest_s: the age of the oldest ready task, seconds; 0 when there is none.
        paused: True when no worker takes from it.
        enqueued: tasks accepted since the backend was made.
        finished: tasks ended since the backend was made.
    """

    name: str
    ready: int = 0
    delayed: int = 0
    running: int = 0
    dead: int = 0
    oldest_s: float = 0.0
    paused: bool = False
    enqueued: int = 0
    finished: int = 0


@attrs.frozen
class WorkerFacts:
    """What one worker process says of itself, once per beat.

    Args:
        owner: its incarnation.
        name: its name, for people.
        host: the machine's name.
        pid: the process.
        version: of QTasks.
        started: when the process started, microseconds UTC.
        beat: when this was written, microseconds UTC.
        queues: what it serves.
        slots: how many tasks it runs at a time.
        running: what it runs now: id, task and start (microseconds UTC) of each.
        rss_bytes: resident memory; 0 where the platform does not tell.
        cpu_s: processor time used since the start, seconds.
        lag_s: how long the event loop was last kept from stepping, seconds.
        refused: outcomes that came too late and were refused, since the start.
    """

    owner: str
    name: str
    host: str
    pid: int
    version: str
    started: int
    beat: int
    queues: list[str] = attrs.Factory(list)
    slots: int = 0
    running: list[dict[str, Any]] = attrs.Factory(list)
    rss_bytes: int = 0
    cpu_s: float = 0.0
    lag_s: float = 0.0
    refused: int = 0


@attrs.define
class TaskCounts:
    """Counters of one task name; workers gather them in memory and add them with the beat.

    Args:
        runs: attempts that ended.
        successes: tasks that ended in success.
        failures: tasks that failed. One that was cancelled is neither.
        retries: attempts that will be repeated.
        crashes: counted deaths of workers that had the task in hand.
        wait_us: log2 histogram of the time from due to start, microseconds.
        run_us: log2 histogram of the time from start to end, microseconds.
        last_error: "Type: text" of the last error; empty when there was none.
        waited_us: the sum of what is in `wait_us`, microseconds.
        ran_us: the sum of what is in `run_us`, microseconds.
    """

    runs: int = 0
    successes: int = 0
    failures: int = 0
    retries: int = 0
    crashes: int = 0
    wait_us: list[int] = attrs.Factory(lambda: [0] * BUCKETS)
    run_us: list[int] = attrs.Factory(lambda: [0] * BUCKETS)
    last_error: str = ""
    waited_us: int = 0
    ran_us: int = 0

    def add(self, other: TaskCounts) -> None:
        """Add another one's counts to this one."""
        self.runs += other.runs
        self.successes += other.successes
        self.failures += other.failures
        self.retries += other.retries
        self.crashes += other.crashes
        self.wait_us = [a + b for a, b in zip(self.wait_us, other.wait_us, strict=True)]
        self.run_us = [a + b for a, b in zip(self.run_us, other.run_us, strict=True)]
        self.last_error = other.last_error or self.last_error
        self.waited_us += other.waited_us
        self.ran_us += other.ran_us


def percentile_us(histogram: list[int], share: float) -> int:
    """The upper bound of the bucket that holds a share of the values, microseconds; 0 when empty."""
    wanted = share * sum(histogram)
    seen = 0
    for bucket, count in enumerate(histogram):
        seen += count
        if count and seen >= wanted:
            return 1 << bucket
    return 0
