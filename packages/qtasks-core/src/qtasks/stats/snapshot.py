"""One look at an application: everything is read at one moment, and then told as facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from qtasks.app.application import Application
from qtasks.errors import TaskNotRegisteredError, did_you_mean, listed
from qtasks.message import Record
from qtasks.options import TaskOptions
from qtasks.ports import QueueFacts, TaskCounts, WorkerFacts
from qtasks.ports.facts import percentile_us
from qtasks.registry import TaskDefinition
from qtasks.result import Task
from qtasks.runtime import Link
from qtasks.stats.dead_letters import groups_of, letter_of
from qtasks.stats.facts import AppStats, DeadGroup, QueueStats, TaskStats, TaskTimeline, WorkerStats
from qtasks.stats.timeline import timeline_of
from qtasks.types import US_PER_S, TaskStatus

DEAD_LETTERS = 1000
"""How many dead letters, the newest, are looked at."""

COUNTED = ("runs", "successes", "failures", "retries", "crashes", "last_error")
"""What is told of a task name as the workers count it."""


@attrs.frozen(eq=False)
class Snapshot:
    """What was read, with the facts made of it.

    Args:
        app: whose facts these are.
        taken: when they were read, microseconds UTC.
        queues: by name.
        workers: those that beat.
        counts: by task name.
        dead: the newest dead letters.
        tasks: the tasks that were asked for, by id; None for the unknown.
        before: the look before, for rates; None at the first.
    """

    app: Application
    taken: int
    queues: list[QueueFacts]
    workers: list[WorkerFacts]
    counts: dict[str, TaskCounts]
    dead: list[Record]
    tasks: dict[str, Task[Any] | None]
    before: Snapshot | None = None

    def about_app(self) -> AppStats:
        """The application as a whole."""
        states = ("ready", "delayed", "running", "dead")
        return AppStats(
            name=self.app.name,
            version=self.app.version,
            broker=self.app.broker.url,
            storage=self.app.storage.url,
            plugins=tuple(plugin.name for plugin in self.app.plugins if plugin.state == "loaded"),
            tasks=len(self.app.tasks),
            workers=len(self.workers),
            slots=sum(worker.slots for worker in self.workers),
            queues=len(self.queues),
            **{state: sum(getattr(queue, state) for queue in self.queues) for state in states},
        )

    def about_queues(self) -> list[QueueStats]:
        """Every queue that was ever used."""
        return [self._queue(queue) for queue in self.queues]

    def _queue(self, queue: QueueFacts) -> QueueStats:
        rates: dict[str, Any] = {}
        if self.before is not None and (passed_s := (self.taken - self.before.taken) / US_PER_S) > 0:
            then = next((old for old in self.before.queues if old.name == queue.name), QueueFacts(queue.name))
            rates["in_per_s"] = (queue.enqueued - then.enqueued) / passed_s
            rates["out_per_s"] = (queue.finished - then.finished) / passed_s
        consumers = sum(queue.name in worker.queues for worker in self.workers)
        return QueueStats(**attrs.asdict(queue), consumers=consumers, **rates)

    def about_tasks(self, *names: str) -> list[TaskStats]:
        """Task names: those given, or all that are registered here or ever ran.

        Raises:
            TaskNotRegisteredError: one of them is neither.
        """
        known = sorted({*self.app.tasks.names(), *self.counts})
        for name in names:
            if name not in known:
                some = did_you_mean(name, known) or f"Known are: {listed(known)}."
                raise TaskNotRegisteredError(f"No task is known as {name!r}.", some)
        return [self._task(name) for name in names or known]

    def _task(self, name: str) -> TaskStats:
        definition = self.app.tasks.find(name)
        counts = self.counts.get(name, TaskCounts())
        ended = counts.successes + counts.failures
        return TaskStats(
            name=name,
            **_declared(definition) if definition is not None else {},
            **{fact: getattr(counts, fact) for fact in COUNTED},
            success_rate=counts.successes / ended if ended else None,
            **_percentiles("wait", counts.wait_us),
            **_percentiles("run", counts.run_us),
        )

    def about_task(self, task_id: str) -> TaskTimeline:
        """One of the tasks that were asked for.

        Raises:
            TaskNotRegisteredError: it is unknown, or no longer kept.
        """
        task = self.tasks[task_id]
        if task is None or task.record is None:
            raise TaskNotRegisteredError(
                f"No task {task_id} is kept in {self.app.storage.url} under the name {self.app.name!r}.",
                "Its time may be over (result_ttl, failure_ttl), or it belongs to another namespace or URL.",
            )
        return timeline_of(task.record, self.queues, self.workers, self.taken)

    def about_workers(self) -> list[WorkerStats]:
        """Every worker process that beats, by name."""
        return [self._worker(worker) for worker in sorted(self.workers, key=lambda worker: (worker.name, worker.pid))]

    def _worker(self, worker: WorkerFacts) -> WorkerStats:
        facts = attrs.asdict(worker, recurse=False)
        facts["running"] = [{**run, "elapsed_s": self._age_s(run["started"])} for run in worker.running]
        return WorkerStats(
            **facts,
            uptime_s=self._age_s(worker.started),
            beat_age_s=self._age_s(worker.beat),
            free=max(0, worker.slots - len(worker.running)),
        )

    def about_dead_letters(self) -> list[DeadGroup]:
        """The dead letters that were not replayed, by what they died of."""
        return groups_of(letter_of(record) for record in self.dead)

    def _age_s(self, us: int) -> float:
        return max(0, self.taken - us) / US_PER_S


async def look(app: Application, link: Link, task_ids: Sequence[str] = (), before: Snapshot | None = None) -> Snapshot:
    """Read everything that the facts are made of, in a handful of round trips.

    Args:
        app: whose facts.
        link: over which components.
        task_ids: the tasks whose timelines are wanted.
        before: an earlier look, for rates.
    """
    return Snapshot(
        app,
        app.runtime.clock.wall_us(),
        await link.broker.inspect() if link.broker.capabilities.inspect else [],
        await link.storage.workers(),
        await link.storage.counts(),
        await app.read_many(link, status=TaskStatus.DEAD, limit=DEAD_LETTERS),
        {task_id: await app.read(link, task_id) for task_id in task_ids},
        before and attrs.evolve(before, before=None),
    )


def _declared(definition: TaskDefinition) -> dict[str, Any]:
    """What the program says about a task; the options as far as they differ from their defaults."""
    options, plain = definition.options, TaskOptions()
    names = [field.name for field in attrs.fields(TaskOptions) if field.name not in {"queue", "description", "extra"}]
    changed = {name: value for name in names if (value := getattr(options, name)) != getattr(plain, name)}
    text = options.description or getattr(definition.function, "__doc__", None) or ""
    return {
        "kind": definition.kind.replace("_", " "),
        "queue": options.queue,
        "description": text.strip().partition("\n")[0],
        "options": {**changed, **options.extra},
    }


def _percentiles(what: str, histogram_us: list[int]) -> dict[str, Any]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99} if any(histogram_us) else {}
    return {f"{what}_{name}_s": percentile_us(histogram_us, share) / US_PER_S for name, share in shares.items()}
