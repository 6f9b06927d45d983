"""The facts that people rely on, as plain values. Their fields are those of the tables and of the JSON output.

Times are microseconds UTC, as on the wire, and 0 where there is none; durations are seconds.
"""

from __future__ import annotations

from typing import Any

import attrs

from qtasks.ports import QueueFacts, WorkerFacts


@attrs.frozen
class AppStats:
    """The application as a whole.

    Args:
        name: its name, which is the namespace.
        version: of QTasks, here.
        broker: where its tasks wait.
        storage: where its results are.
        plugins: the names of those that are loaded in this process.
        tasks: how many tasks are registered in this process.
        workers: how many worker processes beat.
        slots: how many tasks they can run at a time.
        queues: how many queues were ever used.
        ready: tasks that could be taken at once.
        delayed: tasks that wait for their time, retries among them.
        running: tasks that a worker owns.
        dead: dead letters.
    """

    name: str
    version: str
    broker: str
    storage: str
    plugins: tuple[str, ...]
    tasks: int
    workers: int
    slots: int
    queues: int
    ready: int
    delayed: int
    running: int
    dead: int


@attrs.frozen
class QueueStats(QueueFacts):
    """One queue: what the broker tells of it, and more.

    Args:
        consumers: how many worker processes serve it.
        in_per_s: tasks accepted per second since the look before; None at the first look.
        out_per_s: tasks ended per second, likewise.
    """

    consumers: int = 0
    in_per_s: float | None = None
    out_per_s: float | None = None


@attrs.frozen(kw_only=True)
class TaskStats:
    """All runs of one task name. Percentiles are upper bounds: powers of two of microseconds.

    Args:
        name: the task's name.
        kind: what its function is; empty where it is not registered in this process, like the next three.
        queue: where its calls wait unless they say otherwise.
        description: the first line of what it says about itself.
        options: what was declared differently from the default.
        runs: attempts that ended.
        successes: tasks that ended in success.
        failures: tasks that failed. One that was cancelled is neither.
        retries: attempts that were or will be repeated.
        crashes: counted deaths of workers that had one in hand.
        success_rate: successes among successes and failures, 0 to 1; None while there are none.
        wait_p50_s: from due to start; None without a run, like the next five.
        wait_p95_s: likewise.
        wait_p99_s: likewise.
        run_p50_s: from start to end.
        run_p95_s: likewise.
        run_p99_s: likewise.
        last_error: "Type: text" of the last one; empty when there was none.
    """

    name: str
    kind: str = ""
    queue: str = ""
    description: str = ""
    options: dict[str, Any] = attrs.Factory(dict)
    runs: int
    successes: int
    failures: int
    retries: int
    crashes: int
    success_rate: float | None
    wait_p50_s: float | None = None
    wait_p95_s: float | None = None
    wait_p99_s: float | None = None
    run_p50_s: float | None = None
    run_p95_s: float | None = None
    run_p99_s: float | None = None
    last_error: str


@attrs.frozen
class Attempt:
    """One run of a task, or one counted death of a worker.

    Args:
        run: which one; 1 is the first. A run that a death ended is repeated under the same number.
        worker: the name of the worker.
        started: when; 0 when it is not known.
        took_s: None while it goes on, and when it is not known.
        outcome: `process` while it goes on, `retry`, `crash`, or the status in which the task ended.
        error: "Type: text", or how the worker died.
    """

    run: int
    worker: str
    started: int
    took_s: float | None
    outcome: str
    error: str


@attrs.frozen(kw_only=True)
class TaskTimeline:
    """One task from its adding to its end.

    Args:
        id: 32 hexadecimal digits.
        task: its name; empty when the message cannot be read, like the other fields of the message.
        queue: where it waits or waited.
        priority: lower runs first.
        created: when it was added.
        args: the positional arguments.
        kwargs: the keyword arguments.
        parent: the id of the task that it replays.
        status: where it stands.
        waiting: why it does not run yet; empty when it runs or has ended.
        due: not before this; 0 is at once.
        updated: when its record was last written.
        result: what it returned.
        truncated: True when the result was too large to keep and its values are in the stream.
        error: "Type: text" of what ended it.
        causes: "Type: text" of each exception behind it.
        traceback: of the error.
        cancel_reason: why somebody asked to cancel it.
        crashes: counted deaths of workers that ran it.
        child: the id of the task that replays it.
        attempts: the runs, the first one first.
    """

    id: str
    task: str = ""
    queue: str = ""
    priority: int = 0
    created: int = 0
    args: list[Any] = attrs.Factory(list)
    kwargs: dict[str, Any] = attrs.Factory(dict)
    parent: str | None = None
    status: str
    waiting: str = ""
    due: int
    updated: int
    result: Any
    truncated: bool
    error: str
    causes: tuple[str, ...] = ()
    traceback: str = ""
    cancel_reason: str | None
    crashes: int
    child: str | None
    attempts: list[Attempt]


@attrs.frozen
class WorkerStats(WorkerFacts):
    """One worker process: what it said at its last beat, and more. What it runs has an `elapsed_s` each.

    Args:
        uptime_s: since it started.
        beat_age_s: since it last said something.
        free: how many more tasks it could run.
    """

    uptime_s: float = 0.0
    beat_age_s: float = 0.0
    free: int = 0


@attrs.frozen
class DeadLetter:
    """One task that ended as `dead`.

    Args:
        id: 32 hexadecimal digits.
        died: when.
        task: its name; empty when the message cannot be read.
        queue: where it waited; empty likewise.
        error: "Type: text" of what ended it.
        group: the fingerprint of its task and error: equal for letters that died alike.
        child: the id of the task that replays it.
    """

    id: str
    died: int
    task: str
    queue: str
    error: str
    group: str
    child: str | None


@attrs.frozen
class DeadGroup:
    """Dead letters that died alike and were not replayed.

    Args:
        group: their fingerprint.
        count: how many there are.
        task: the name of their task.
        error: of the newest one.
        first: when the oldest died.
        last: when the newest died.
        newest: the id of the newest.
    """

    group: str
    count: int
    task: str
    error: str
    first: int
    last: int
    newest: str
