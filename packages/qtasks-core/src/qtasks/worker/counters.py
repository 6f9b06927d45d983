"""What a worker counts in memory and reports with its beat: stats never cost a round trip per task."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from typing import TYPE_CHECKING

from qtasks._version import __version__
from qtasks.message import Outcome
from qtasks.ports import TaskCounts, WorkerFacts
from qtasks.ports.facts import BUCKETS
from qtasks.types import TaskStatus

if TYPE_CHECKING:
    from qtasks.executor.execution import Run
    from qtasks.worker.worker import Worker


class Counters:
    """Counters by task name since the last report.

    Attributes:
        finished: how many tasks have ended here since the start.
    """

    def __init__(self) -> None:
        self.finished = 0
        self._by_task: dict[str, TaskCounts] = {}

    def count(self, run: Run, outcome: Outcome) -> None:
        """Count one written outcome of a run."""
        if not outcome.started:  # handed back, or cancelled before it could start: that was no run
            return
        counts = self._by_task.get(run.message.task)
        if counts is None:
            counts = self._by_task[run.message.task] = TaskCounts()
        counts.runs += 1
        self.finished += 1
        if outcome.status is TaskStatus.SUCCESS:
            counts.successes += 1
        elif outcome.status is TaskStatus.RETRY:
            counts.retries += 1
            self.finished -= 1
        elif outcome.status is not TaskStatus.CANCEL:  # that is what somebody wanted
            counts.failures += 1
        if outcome.error is not None:
            counts.last_error = f"{outcome.error.type}: {outcome.error.text}"[:500]
        waited = max(0, outcome.started - (run.message.due or run.message.enqueued))
        counts.wait_us[min(waited.bit_length(), BUCKETS - 1)] += 1
        counts.waited_us += waited
        ran = max(0, outcome.finished - outcome.started)
        counts.run_us[min(ran.bit_length(), BUCKETS - 1)] += 1
        counts.ran_us += ran

    @property
    def unreported(self) -> bool:
        """True when something was counted since the last report."""
        return bool(self._by_task)

    def drain(self) -> dict[str, TaskCounts]:
        """The counters since the last call."""
        counts, self._by_task = self._by_task, {}
        return counts

    def put_back(self, counts: dict[str, TaskCounts]) -> None:
        """Keep counters that could not be reported for the next report."""
        for name, lost in counts.items():
            self._by_task.setdefault(name, TaskCounts()).add(lost)


def facts(worker: Worker) -> WorkerFacts:
    """What a worker says of itself."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    running = [*worker.coroutines.running, *worker.threads.running]
    return WorkerFacts(
        owner=worker.lease.owner,
        name=worker.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        started=worker.started,
        beat=time.time_ns() // 1000,
        queues=list(worker.queues),
        slots=worker.concurrency,
        running=[{"id": run.message.id, "task": run.message.task, "started": run.started} for run in running],
        rss_bytes=rss_bytes(),
        cpu_s=usage.ru_utime + usage.ru_stime,
        lag_s=worker.lag_s,
        refused=worker.refused,
    )


def rss_bytes() -> int:
    """Resident memory of this process now where /proc tells, else its peak (kilobytes on Linux, bytes on macOS)."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read once per beat
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
