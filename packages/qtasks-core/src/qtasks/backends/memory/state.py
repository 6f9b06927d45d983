"""What one namespace keeps in memory: plain data, without rules. The rules are in `machine.py`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import attrs

from qtasks.message import Record, TaskMessage
from qtasks.ports import TaskCounts, WorkerFacts


@attrs.define(eq=False)
class Task:
    """One accepted task.

    Args:
        message: what was asked for.
        record: what readers see.
        order: its place among the tasks of its priority, for as long as it lives.
        token: how often it was handed over.
        owner: who has it; None while it waits and after its end.
        recovered: True when its last owner lost it.
        keep_until: when the record is forgotten, wall microseconds.
        run: the attempt and the token of the run that the stream is from.
        stream: the values of that run.
    """

    message: TaskMessage
    record: Record
    order: int
    token: int = 0
    owner: Owner | None = None
    recovered: bool = False
    keep_until: float = math.inf
    run: tuple[int, int] = (0, 0)
    stream: list[bytes] = attrs.Factory(list)

    def place(self) -> tuple[int, int]:
        """Where it stands in its queue: the lowest priority first, the oldest of it first."""
        return self.message.priority, self.order


@attrs.define(eq=False)
class Owner:
    """One incarnation of a worker.

    Args:
        name: the worker's, for people.
        lease: how long a beat holds, microseconds.
        holds_until: when the lease is lost, monotonic microseconds.
        served: how many tasks it was given: the queues take turns by it.
        tasks: what it has in hand, by id.
    """

    name: str
    lease: int
    holds_until: int
    served: int = 0
    tasks: dict[str, Task] = attrs.Factory(dict)


@attrs.define(eq=False)
class Queue:
    """What waits in one queue, sorted by place; whether it is paused; how many tasks it saw come and end."""

    waiting: list[Task] = attrs.Factory(list)
    paused: bool = False
    enqueued: int = 0
    finished: int = 0


@attrs.define(eq=False)
class State:
    """Everything that one namespace keeps.

    Args:
        dead_letter_cap: how many dead letters are kept.
        stream_cap: how many values of one task's stream are kept.
        wall: the time of day at this step, microseconds UTC.
        monotonic: the time that never jumps, microseconds.
        news: True when something happened that somebody may be waiting for.
        numbers: where orders and versions come from: never twice the same.
        tasks: by id, in the order of acceptance.
        queues: by name, those that were ever used.
        owners: the incarnations that nobody has ended yet.
        unique: the open task of each unique key, by queue and key.
        dead: the dead letters by id, the oldest death first.
        values: of each key the value, its version, and when it is forgotten, wall microseconds.
        workers: the last report of each owner.
        counts: the counters by task name.
        settings: the global config: name -> key -> encoded value.
        settings_version: how often a setting was changed.
    """

    dead_letter_cap: int
    stream_cap: int
    wall: int = 0
    monotonic: int = 0
    news: bool = False
    numbers: Iterator[int] = attrs.Factory(lambda: itertools.count(1))
    tasks: dict[str, Task] = attrs.Factory(dict)
    queues: dict[str, Queue] = attrs.Factory(dict)
    owners: dict[str, Owner] = attrs.Factory(dict)
    unique: dict[tuple[str, str | None], Task] = attrs.Factory(dict)
    dead: dict[str, Task] = attrs.Factory(dict)
    values: dict[str, tuple[bytes, int, float]] = attrs.Factory(dict)
    workers: dict[str, WorkerFacts] = attrs.Factory(dict)
    counts: dict[str, TaskCounts] = attrs.Factory(dict)
    settings: dict[str, dict[str, bytes]] = attrs.Factory(dict)
    settings_version: int = 0
