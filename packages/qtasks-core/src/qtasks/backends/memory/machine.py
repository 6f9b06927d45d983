"""The queue's state machine: functions over a `State`, which also holds the time of the step.

Nothing here locks, waits, or asks a clock. The public functions are methods of the broker and the storage,
whose contracts tell their rules; the private ones are the moves between a task's states:

    accept -> wait -> hand over -> settle -> close -> forget
               ^                     |
               +------ put back -----+
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from qtasks.backends.memory.state import Owner, Queue, State, Task
from qtasks.codec import found_envelope
from qtasks.errors import LeaseLostError
from qtasks.message import AttemptNote, Delivery, Envelope, ErrorInfo, Outcome, Record, StreamItem
from qtasks.ports import CancelAnswer, QueueFacts
from qtasks.ports.facts import COUNTED_DEATHS, KEEP_ENDED_S
from qtasks.types import US_PER_S, TaskStatus

Finder: TypeAlias = Callable[[Delivery], Task | None]
"""Gives the task that a delivery may still write to."""


def publish(state: State, envelopes: Sequence[Envelope], *, elsewhere: bool = False) -> list[str]:
    """Accept messages: all of them, or none where one is bad. Those that wait `elsewhere` get a record only."""
    ids = []
    for message, record in [(envelope.message, _new_record(state, envelope)) for envelope in envelopes]:
        key = (message.queue, message.unique)
        task = state.tasks.get(message.id) or state.unique.get(key)
        if task is None:
            task = state.tasks[message.id] = Task(message, record, next(state.numbers))
            if message.unique is not None:
                state.unique[key] = task
            if not elsewhere:
                _queue(state, task).enqueued += 1
                _wait(state, task)
        ids.append(task.record.id)
    return ids


def join(state: State, owner: str, name: str, lease_s: float) -> None:
    """Begin an incarnation, or go on with it."""
    found = _holder(state, owner) or state.owners.setdefault(owner, Owner(name, 0, 0))
    found.lease = round(lease_s * US_PER_S)
    found.holds_until = state.monotonic + found.lease


def take(
    state: State, owner: str, queues: Sequence[str], limit: int, in_hand: Collection[Delivery] | None
) -> list[Delivery]:
    """Hand over what is due, one queue after the other in turn."""
    if (holder := _holder(state, owner)) is None:
        raise LeaseLostError(owner)
    if in_hand is not None:
        kept = {(delivery.receipt, delivery.token) for delivery in in_hand}
        for lost in [task for task in holder.tasks.values() if (task.order, task.token) not in kept]:
            _put_back(state, lost)
    ring = deque(state.queues[name] for name in queues if name in state.queues and not state.queues[name].paused)
    ring.rotate(-holder.served)
    deliveries: list[Delivery] = []
    while ring and len(deliveries) < limit:
        queue = ring.popleft()
        if task := _next_due(state, queue):
            deliveries.append(_hand_over(state, task, holder))
            ring.append(queue)
    return deliveries


def finish(state: State, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
    """Write what became of deliveries, unless the owner has lost them."""
    holder = _holder(state, owner)

    def find(delivery: Delivery) -> Task | None:
        task = holder.tasks.get(delivery.id) if holder else None
        return task if task and task.token == delivery.token else None

    return _write(state, outcomes, items, find)


def release(state: State, owner: str, *, death: str | None = None) -> list[str]:
    """End an incarnation; a death is counted for everything in its hands."""
    state.workers.pop(owner, None)
    return _take_away(state, owner, death, recovered=death is not None) if _holder(state, owner) else []


def beat(state: State, owners: Collection[str]) -> set[str]:
    """Renew leases; take away what lost ones held, end what expired, forget what is over."""
    confirmed = {owner for owner in owners if _holder(state, owner)}
    for owner in list(state.owners):
        if owner in confirmed:
            state.owners[owner].holds_until = state.monotonic + state.owners[owner].lease
        else:
            _holder(state, owner)
    for queue in state.queues.values():
        for task in [task for task in queue.waiting if _expired(state, task)]:
            _end(state, task, TaskStatus.EXPIRED)
    for task in [task for task in state.tasks.values() if task.keep_until <= state.wall]:
        forget(state, task)
    state.values = {key: value for key, value in state.values.items() if value[2] > state.wall}
    return confirmed


def cancel(state: State, task_id: str, reason: str) -> CancelAnswer:
    """Cancel what waits; note the wish for what runs."""
    if (task := state.tasks.get(task_id)) is None:
        return CancelAnswer.UNKNOWN
    if task.record.status.terminal:
        return CancelAnswer.FINISHED
    task.record = replace(task.record, cancel_reason=reason)
    if task.owner is not None:
        state.news = True
        return CancelAnswer.REQUESTED
    _end(state, task, TaskStatus.CANCEL)
    return CancelAnswer.CANCELLED


def cancel_requests(state: State, owner: str, known: Collection[str]) -> dict[str, str]:
    """What an owner was asked to cancel and does not know yet."""
    holder = _holder(state, owner)
    records = [task.record for task_id, task in holder.tasks.items() if task_id not in known] if holder else []
    return {record.id: record.cancel_reason for record in records if record.cancel_reason is not None}


def set_paused(state: State, queue: str, paused: bool) -> None:
    """Pause a queue, or resume it."""
    state.queues.setdefault(queue, Queue()).paused = paused
    state.news = True


def inspect(state: State) -> list[QueueFacts]:
    """The facts of every queue, by name."""
    running = [task.message.queue for owner in state.owners.values() for task in owner.tasks.values()]
    dead = [task.message.queue for task in state.dead.values()]
    facts = []
    for name, queue in sorted(state.queues.items()):
        since = [max(task.message.enqueued, task.record.due) for task in queue.waiting if _due(state, task)]
        depths = len(since), len(queue.waiting) - len(since), running.count(name), dead.count(name)
        oldest_s = (state.wall - min(since, default=state.wall)) / US_PER_S
        facts.append(QueueFacts(name, *depths, oldest_s, queue.paused, queue.enqueued, queue.finished))
    return facts


def purge(state: State, queue: str) -> int:
    """Forget every task that waits in a queue."""
    waiting = list(state.queues.get(queue, Queue()).waiting)
    for task in waiting:
        forget(state, task)
    return len(waiting)


def add(state: State, envelopes: Sequence[Envelope]) -> list[str]:
    """Accept messages that wait in a queue elsewhere."""
    return publish(state, envelopes, elsewhere=True)


def store(state: State, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
    """Write what became of deliveries of a queue elsewhere, unless the task or the attempt has ended before."""
    ended = [outcome.delivery for outcome in outcomes if outcome.status.terminal]
    add(state, [found_envelope(delivery) for delivery in ended if delivery.id not in state.tasks])

    def find(delivery: Delivery) -> Task | None:
        task = state.tasks.get(delivery.id)
        return task if task and not task.record.status.terminal and task.record.attempt <= delivery.attempt else None

    return _write(state, outcomes, items, find)


def next_due(state: State) -> int | None:
    """When a task that waits for its time will next be due, wall microseconds."""
    waiting = (task.record.due for queue in state.queues.values() for task in queue.waiting)
    return min((due for due in waiting if due > state.wall), default=None)


def forget(state: State, task: Task) -> None:
    """Remove a task and all that points to it."""
    _detach(state, task)
    _free_key(state, task)
    state.dead.pop(task.record.id, None)
    del state.tasks[task.record.id]
    state.news = True


# The moves.


def _new_record(state: State, envelope: Envelope) -> Record:
    message = envelope.message
    return Record(message.id, TaskStatus.NEW, envelope.payload, message.attempt, due=message.due, updated=state.wall)


def _wait(state: State, task: Task) -> None:
    insort(_queue(state, task).waiting, task, key=Task.place)
    state.news = True


def _next_due(state: State, queue: Queue) -> Task | None:
    while task := next((task for task in queue.waiting if _due(state, task)), None):
        if not _expired(state, task):
            return task
        _end(state, task, TaskStatus.EXPIRED)
    return None


def _due(state: State, task: Task) -> bool:
    return task.record.due <= state.wall


def _expired(state: State, task: Task) -> bool:
    return task.message.expires is not None and task.message.expires < state.wall


def _hand_over(state: State, task: Task, owner: Owner) -> Delivery:
    _detach(state, task)
    task.token += 1
    task.owner = owner
    task.record = record = replace(task.record, status=TaskStatus.PROCESS, updated=state.wall, worker=owner.name)
    owner.tasks[record.id] = task
    owner.served += 1
    return Delivery(task.order, record.id, record.payload, record.attempt, record.crashes, task.token, task.recovered)


def _holder(state: State, owner: str) -> Owner | None:
    """Give the owner while its lease holds; once that is lost, take away what it has."""
    found = state.owners.get(owner)
    if found and found.holds_until <= state.monotonic:
        _take_away(state, owner, None, recovered=True)
        return None
    return found


def _take_away(state: State, owner: str, death: str | None, *, recovered: bool) -> list[str]:
    """End an incarnation and put back what it has."""
    tasks = list(state.owners.pop(owner).tasks.values())
    for task in tasks:
        if death is None or not _count_death(state, task, death):
            _put_back(state, task, recovered=recovered)
    state.news = True
    return [task.record.id for task in tasks]


def _count_death(state: State, task: Task, death: str) -> bool:
    """Count a death of its worker; True when that was the last that a task may cost."""
    record = task.record
    note = AttemptNote(record.attempt, record.worker, 0, state.wall, death, crash=True)
    task.record = replace(record, crashes=record.crashes + 1, history=[*record.history, note])
    if task.record.crashes < COUNTED_DEATHS:
        return False
    deaths = "; ".join(note.error for note in task.record.history if note.crash)
    _end(state, task, TaskStatus.DEAD, ErrorInfo("WorkerDied", f"{COUNTED_DEATHS} workers died with it: {deaths}"))
    return True


def _put_back(state: State, task: Task, due: int = 0, *, recovered: bool = False) -> None:
    """Let a task wait again, or end it when somebody asked to cancel it."""
    owner = task.owner
    _detach(state, task)
    if task.record.cancel_reason is not None:
        _end(state, task, TaskStatus.CANCEL)
        return
    status = TaskStatus.RETRY if task.record.attempt else TaskStatus.NEW
    task.record = replace(task.record, status=status, due=due, updated=state.wall)
    task.recovered = recovered
    if owner is not None:  # otherwise it waits in a queue elsewhere
        _wait(state, task)


def _write(state: State, outcomes: Sequence[Outcome], items: Sequence[StreamItem], find: Finder) -> list[str]:
    """Write what belongs to a task that is found, and name the rest."""
    refused = {}
    for item in items:
        if task := find(item.delivery):
            _stream(state, task, item)
        else:
            refused[item.delivery.id] = True
    for outcome in outcomes:
        if task := find(outcome.delivery):
            _settle(state, task, outcome)
        else:
            refused[outcome.delivery.id] = True
    return list(refused)


def _stream(state: State, task: Task, item: StreamItem) -> None:
    """Keep a streamed value; the first of a run replaces those of the run before."""
    run = (item.delivery.attempt, item.delivery.token)
    if run > task.run:
        task.run, task.stream = run, []
    if run == task.run:
        task.stream[item.offset : item.offset + 1] = [item.value]
        del task.stream[state.stream_cap :]
        state.news = True


def _settle(state: State, task: Task, outcome: Outcome) -> None:
    """Write an outcome into the record, and end the task or put it back."""
    record = replace(task.record, worker=outcome.worker or task.record.worker)
    error, started = outcome.error, outcome.started
    if outcome.status.terminal:
        text = record.cancel_reason or (error.text if error else None)
        reason = text if outcome.status is TaskStatus.CANCEL else None
        result, truncated = outcome.result, outcome.truncated
        task.record = replace(record, started=started, result=result, truncated=truncated, cancel_reason=reason)
        _end(state, task, outcome.status, error, outcome.keep_s)
        return
    if outcome.status is TaskStatus.RETRY:
        text = f"{error.type}: {error.text}" if error else ""
        note = AttemptNote(record.attempt, record.worker, started, outcome.finished, text)
        task.record = replace(record, attempt=record.attempt + 1, history=[*record.history, note])
    _put_back(state, task, outcome.due)


def _end(
    state: State, task: Task, status: TaskStatus, error: ErrorInfo | None = None, keep_s: float = KEEP_ENDED_S
) -> None:
    """End a task: out of the way of others, its record kept for its time."""
    _detach(state, task)
    _free_key(state, task)
    task.record = replace(task.record, status=status, error=error, updated=state.wall)
    _queue(state, task).finished += 1
    state.news = True
    if status is TaskStatus.DEAD:
        state.dead[task.record.id] = task
        if len(state.dead) > state.dead_letter_cap:
            forget(state, next(iter(state.dead.values())))
    elif keep_s > 0:
        task.keep_until = state.wall + keep_s * US_PER_S
    else:
        forget(state, task)


def _detach(state: State, task: Task) -> None:
    """Take a task out of its owner's hands, or out of its queue."""
    if task.owner is not None:
        del task.owner.tasks[task.record.id]
        task.owner = None
    elif task in (waiting := _queue(state, task).waiting):
        waiting.remove(task)


def _free_key(state: State, task: Task) -> None:
    key = (task.message.queue, task.message.unique)
    if state.unique.get(key) is task:
        del state.unique[key]


def _queue(state: State, task: Task) -> Queue:
    return state.queues.setdefault(task.message.queue, Queue())
