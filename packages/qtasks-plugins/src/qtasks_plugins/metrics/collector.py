"""What Prometheus is told of an application: read when it asks, from what workers report and brokers know.

Nothing is counted here: the counters are in the storage, to which every worker adds its own with its beat. So they are
right with any number of processes and machines, and nobody counts twice as long as one exporter is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise ImportError('Metrics need prometheus-client.\npip install "qtasks-plugins[prometheus]"') from error

from qtasks.app.application import Application
from qtasks.ports import QueueFacts, TaskCounts, WorkerFacts
from qtasks.runtime import Link
from qtasks.types import US_PER_S

STATES = ("ready", "delayed", "running", "dead")

SHOWN = range(10, 33)
"""The buckets that are told apart, by the power of two of their upper bound in microseconds: 1 ms to 72 minutes."""


class MetricsCollector(Collector):
    """Register it with a `CollectorRegistry` of prometheus-client; `qtasks metrics` does it with one of its own.

    Args:
        app: whose metrics.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    def describe(self) -> list[Metric]:
        """Nothing: a registry would ask the servers for the names otherwise."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything, and tell it.

        Raises:
            BackendError: broker or storage do not answer.
        """
        queues, workers, counts = self._app.runtime.run_blocking(_read, "The collection of metrics")
        yield from _of_tasks(counts)
        yield from _of_queues(queues)
        yield from _of_workers(workers)


async def _read(link: Link) -> tuple[list[QueueFacts], list[WorkerFacts], dict[str, TaskCounts]]:
    queues = await link.broker.inspect() if link.broker.capabilities.inspect else []
    return queues, await link.storage.workers(), await link.storage.counts()


def _of_tasks(counts: dict[str, TaskCounts]) -> Iterator[Metric]:
    runs = CounterMetricFamily("qtasks_runs", "Attempts that ended.", labels=["task", "outcome"])
    crashes = CounterMetricFamily("qtasks_crashes", "Counted deaths of workers with the task in hand.", labels=["task"])
    wait = HistogramMetricFamily("qtasks_wait_seconds", "Time from due to start.", labels=["task"])
    run = HistogramMetricFamily("qtasks_run_seconds", "Time from start to end.", labels=["task"])
    for task, count in sorted(counts.items()):
        ended = {"success": count.successes, "failure": count.failures, "retry": count.retries}
        for outcome, number in {**ended, "cancel": count.runs - sum(ended.values())}.items():
            runs.add_metric([task, outcome], number)
        crashes.add_metric([task], count.crashes)
        wait.add_metric([task], _buckets(count.wait_us), count.waited_us / US_PER_S)
        run.add_metric([task], _buckets(count.run_us), count.ran_us / US_PER_S)
    yield from (runs, crashes, wait, run)


def _buckets(histogram_us: list[int]) -> list[tuple[str, float]]:
    """The buckets of a log2 histogram as Prometheus has them: in seconds, each with all below it."""
    below = list(accumulate(histogram_us))
    return [*((str(2**power / US_PER_S), below[power]) for power in SHOWN), ("+Inf", below[-1])]


def _of_queues(queues: list[QueueFacts]) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("qtasks_queue_tasks", "Tasks in a queue, by state.", labels=["queue", "state"])
    oldest = GaugeMetricFamily("qtasks_queue_oldest_seconds", "Age of the oldest ready task.", labels=["queue"])
    paused = GaugeMetricFamily("qtasks_queue_paused", "1 while nobody takes from it.", labels=["queue"])
    added = CounterMetricFamily("qtasks_queue_added", "Tasks accepted.", labels=["queue"])
    ended = CounterMetricFamily("qtasks_queue_ended", "Tasks ended.", labels=["queue"])
    for queue in queues:
        for state in STATES:
            tasks.add_metric([queue.name, state], getattr(queue, state))
        oldest.add_metric([queue.name], queue.oldest_s)
        paused.add_metric([queue.name], queue.paused)
        added.add_metric([queue.name], queue.enqueued)
        ended.add_metric([queue.name], queue.finished)
    yield from (tasks, oldest, paused, added, ended)


def _of_workers(workers: list[WorkerFacts]) -> Iterator[Metric]:
    yield GaugeMetricFamily("qtasks_workers", "Worker processes that beat.", value=len(workers))
    yield GaugeMetricFamily(
        "qtasks_slots", "Tasks that they can run at a time.", value=sum(worker.slots for worker in workers)
    )
    running = GaugeMetricFamily("qtasks_in_progress", "Tasks that run, as of the last beats.", labels=["task"])
    for task, number in sorted(Counter(run["task"] for worker in workers for run in worker.running).items()):
        running.add_metric([task], number)
    yield running
