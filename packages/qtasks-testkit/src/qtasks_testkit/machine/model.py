"""What the state machine expects: a queue small enough to be believed by reading it.

It tells which tasks a broker may hand over and what their records must say. Where the contract leaves a
choice (when exactly an expired task ends, what becomes of a cancelled one that comes back) it allows both
and follows what it sees. A task whose record need not be there any more is out of the model.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import combinations, product

import attrs
from qtasks.message import Delivery, Envelope, Outcome, Record
from qtasks.ports import QueueFacts
from qtasks.types import US_PER_S, TaskStatus

DEADLY = 3
KEPT_AT_LEAST_S = 3600
"""How long a record is kept at least whose task was ended by the broker; how long at most is not said."""


@attrs.define(eq=False)
class Expected:
    """One accepted task.

    Args:
        envelope: what was asked for.
        order: the place of its acceptance.
        due: not before this time, wall microseconds.
        owner: who has it.
        delivery: the last one.
        attempt: ended attempts.
        crashes: counted deaths.
        moved: True once it was delayed or came back: its place among the others is then the broker's choice.
        cancel_asked: True once its owner was asked to cancel it.
        must_have_ended: True once the housekeeping must have ended it.
        end: how it ended.
        outcome: what ended it; None when the broker did.
        seen: its record as first seen after its end.
        keep_until: how long the record must be kept, wall microseconds.
    """

    envelope: Envelope
    order: int
    due: int
    owner: str | None = None
    delivery: Delivery | None = None
    attempt: int = 0
    crashes: int = 0
    moved: bool = False
    cancel_asked: bool = False
    must_have_ended: bool = False
    end: TaskStatus | None = None
    outcome: Outcome | None = None
    seen: Record | None = None
    keep_until: float = math.inf

    @property
    def id(self) -> str:
        return self.envelope.message.id

    @property
    def place(self) -> tuple[int, int]:
        return self.envelope.message.priority, self.order

    @property
    def waits(self) -> bool:
        return self.owner is None and self.end is None

    def expired(self, now: int) -> bool:
        expires = self.envelope.message.expires
        return self.waits and expires is not None and expires < now

    def ready(self, now: int) -> bool:
        return self.waits and self.due <= now and not self.expired(now)

    def put_back(self, due: int = 0) -> None:
        """Let it wait again."""
        self.owner, self.due, self.moved = None, due, True

    def close(self, status: TaskStatus, now: int, outcome: Outcome | None = None) -> None:
        """Let it end."""
        self.owner, self.end, self.outcome = None, status, outcome
        if status is not TaskStatus.DEAD:
            self.keep_until = now + (outcome.keep_s if outcome else KEPT_AT_LEAST_S) * US_PER_S


class Model:
    """The queue as it must be after what was done to it; `now` is always the wall clock, microseconds."""

    def __init__(self) -> None:
        self.tasks: dict[str, Expected] = {}
        self.paused: set[str] = set()
        self._accepted = 0

    def of(self, owner: str) -> list[Expected]:
        """What an owner has."""
        return [task for task in self.tasks.values() if task.owner == owner]

    def waiting(self, queue: str) -> list[Expected]:
        """What waits in a queue."""
        return [task for task in self.tasks.values() if task.waits and task.envelope.message.queue == queue]

    def publish(self, envelope: Envelope) -> str:
        """Accept a message; tell under which id it must be known."""
        message = envelope.message
        if message.unique is not None:
            for task in self.tasks.values():
                held = task.envelope.message
                if task.end is None and (held.queue, held.unique) == (message.queue, message.unique):
                    return task.id
        self._accepted += 1
        self.tasks[message.id] = Expected(envelope, self._accepted, message.due, moved=message.due > message.enqueued)
        return message.id

    def lose(self, owner: str, now: int, *, in_hand: Collection[Delivery] = (), death: bool = False) -> set[str]:
        """Take away what an owner has, apart from what is in its hands; tell the ids."""
        lost = [task for task in self.of(owner) if task.delivery not in in_hand]
        for task in lost:
            task.crashes += death
            task.put_back()
            if task.crashes == DEADLY:
                task.close(TaskStatus.DEAD, now)
        return {task.id for task in lost}

    def take(self, owner: str, queues: Sequence[str], limit: int, deliveries: Sequence[Delivery], now: int) -> None:
        """Check what was handed over, and follow it."""
        queues = [queue for queue in queues if queue not in self.paused]
        ready = {queue: [task for task in self.waiting(queue) if task.ready(now)] for queue in queues}
        ids = [delivery.id for delivery in deliveries]
        assert len(set(ids)) == len(ids), "a task was handed over twice"
        assert set(ids) <= {task.id for tasks in ready.values() for task in tasks}, "a task came that was not ready"
        sure = {queue: [task for task in tasks if not task.cancel_asked] for queue, tasks in ready.items()}
        assert len(ids) <= limit
        assert len(ids) >= min(limit, sum(map(len, sure.values()))), "fewer tasks came than were ready"
        came = {queue: [self.tasks[id_] for id_ in ids if self.tasks[id_] in tasks] for queue, tasks in ready.items()}
        for queue, tasks in came.items():
            left = [task for task in sure[queue] if task not in tasks]
            _check_order(tasks, left)
            assert not left or len(tasks) + 1 >= max(map(len, came.values())), f"queue {queue} missed its turn"
        for delivery in deliveries:
            task = self.tasks[delivery.id]
            assert delivery.payload == task.envelope.payload
            assert (delivery.attempt, delivery.crashes) == (task.attempt, task.crashes)
            assert task.delivery is None or delivery.token > task.delivery.token
            task.owner, task.delivery = owner, delivery

    def finish(self, owner: str, outcome: Outcome, now: int) -> bool:
        """Follow an outcome; False when it must be refused."""
        task = self.tasks.get(outcome.delivery.id)
        if task is None or task.owner != owner or task.delivery is not outcome.delivery:
            return False
        if outcome.status.terminal:
            task.close(outcome.status, now, outcome)
            if task.keep_until <= now:
                del self.tasks[task.id]
        else:
            task.attempt += outcome.status is TaskStatus.RETRY
            task.put_back(outcome.due)
        return True

    def clean_up(self, now: int) -> None:
        """Follow the housekeeping: what expired must have ended, and what an outcome kept for its time is gone."""
        for task in list(self.tasks.values()):
            task.must_have_ended |= task.expired(now)
            if task.outcome is not None and task.keep_until <= now:
                del self.tasks[task.id]

    def check(self, records: Sequence[Record | None], now: int) -> None:
        """Compare all records with what they must say."""
        for task, record in zip(list(self.tasks.values()), records, strict=True):
            if record is None:
                assert task.keep_until <= now, f"lost, or forgotten too early: {task}"
                del self.tasks[task.id]
                continue
            if task.end is None and record.status in self._ends_of_its_own(task, now):
                task.close(record.status, now)
            if task.end is not None:
                _check_ended(task, record)
            else:
                assert not task.must_have_ended, f"not ended: {task}"
                waiting = TaskStatus.RETRY if task.attempt else TaskStatus.NEW
                assert record.status is (waiting if task.waits else TaskStatus.PROCESS), f"{record} is not {task}"
                assert (record.result, record.payload) == (None, task.envelope.payload)
            assert (record.attempt, record.crashes) == (task.attempt, task.crashes)
            assert sum(note.crash for note in record.history) == task.crashes

    def check_figures(self, facts: QueueFacts, now: int) -> None:
        """Compare the facts of a queue with its tasks."""
        tasks = [task for task in self.tasks.values() if task.envelope.message.queue == facts.name]
        assert facts.running == sum(task.owner is not None for task in tasks)
        assert facts.dead == sum(task.end is TaskStatus.DEAD for task in tasks)
        assert facts.paused == (facts.name in self.paused)
        waiting = self.waiting(facts.name)
        if not any(task.expired(now) for task in waiting):  # those may be counted, or not any more
            due = sum(task.due <= now for task in waiting)
            assert (facts.ready, facts.delayed) == (due, len(waiting) - due)

    def _ends_of_its_own(self, task: Expected, now: int) -> set[TaskStatus]:
        ends = {TaskStatus.EXPIRED} if task.expired(now) else set()
        return ends | {TaskStatus.CANCEL} if task.waits and task.cancel_asked else ends


def _check_ended(task: Expected, record: Record) -> None:
    assert record.status is task.end, f"{record} is not {task}"
    assert (record.status is TaskStatus.DEAD) >= (record.crashes == DEADLY)
    if task.outcome is not None:
        assert (record.result, record.error) == (task.outcome.result, task.outcome.error)
    assert task.seen is None or task.seen == record, f"changed after its end: {task.seen} -> {record}"
    task.seen = record


def _check_order(came: Sequence[Expected], left: Sequence[Expected]) -> None:
    """The lowest priority first; of one priority the oldest first, among those that never left their place."""
    for first, second in [*combinations(came, 2), *product(came, left)]:
        known = slice(1) if first.moved or second.moved else slice(2)
        assert first.place[known] <= second.place[known], f"{first} came before {second}"
