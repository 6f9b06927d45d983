"""The storage over a store: readers, waiters, and the small things beside the tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
from msgspec.structs import replace

from qtasks.backends.memory import machine
from qtasks.backends.memory.state import State
from qtasks.backends.memory.store import MemoryComponent, method
from qtasks.message import Record, StreamSlice
from qtasks.ports import Broker, Storage, TaskCounts, WorkerFacts
from qtasks.ports.facts import WORKER_SILENCE_S
from qtasks.types import US_PER_S, TaskStatus


def remove(state: State, ids: Sequence[str]) -> None:
    """Forget tasks, whatever their status."""
    for task_id in ids:
        if task := state.tasks.get(task_id):
            machine.forget(state, task)


def get_many(state: State, ids: Sequence[str]) -> list[Record | None]:
    """The records of tasks, in order."""
    return [task.record if (task := state.tasks.get(task_id)) else None for task_id in ids]


def get_slice(state: State, task_id: str, attempt: int, offset: int) -> StreamSlice | None:
    """What a stream holds from an offset on."""
    if (task := state.tasks.get(task_id)) is None:
        return None
    if task.run[0] > attempt:
        attempt, offset = task.run[0], 0
    return StreamSlice(attempt, task.stream[offset:] if task.run[0] == attempt else [], task.record.status)


def find(
    state: State,
    *,
    status: TaskStatus | None = None,
    task: str | None = None,
    queue: str | None = None,
    limit: int = 100,
) -> list[Record]:
    """Records that fit, the newest first."""
    found = (
        one.record
        for one in reversed(state.tasks.values())
        if status in {None, one.record.status}
        and task in {None, one.message.task}
        and queue in {None, one.message.queue}
    )
    return [record for record, _ in zip(found, range(limit), strict=False)]


def link(state: State, parent: str, child: str) -> None:
    """Note which task replays another."""
    if task := state.tasks.get(parent):
        task.record = replace(task.record, child=child)


def report(state: State, facts: WorkerFacts | None, counts: Mapping[str, TaskCounts]) -> None:
    """Keep what a worker says and add its counters."""
    workers(state)
    if facts is not None:
        state.workers[facts.owner] = facts
    for name, more in counts.items():
        state.counts.setdefault(name, TaskCounts()).add(more)


def workers(state: State) -> list[WorkerFacts]:
    """The reports that are fresh; the others are dropped."""
    silent = state.wall - WORKER_SILENCE_S * US_PER_S
    state.workers = {owner: facts for owner, facts in state.workers.items() if facts.beat > silent}
    return list(state.workers.values())


def counts(state: State) -> dict[str, TaskCounts]:
    """Copies of the counters."""
    return {name: attrs.evolve(one) for name, one in state.counts.items()}


def load_value(state: State, key: str) -> tuple[bytes | None, int]:
    """A shared value and its version, unless its time is over."""
    value, version, keep_until = state.values.get(key, (None, 0, math.inf))
    return (value, version) if keep_until > state.wall else (None, 0)


def save_value(state: State, key: str, value: bytes | None, version: int, ttl_s: float | None = None) -> bool:
    """Store a shared value, if its version is still this one."""
    if load_value(state, key)[1] != version:
        return False
    if value is None:
        state.values.pop(key, None)
    else:
        keep_until = math.inf if ttl_s is None else state.wall + ttl_s * US_PER_S
        state.values[key] = (value, next(state.numbers), keep_until)
    return True


def find_values(state: State, prefix: str) -> dict[str, bytes]:
    """The shared values below a prefix."""
    return {key: value[0] for key, value in state.values.items() if key.startswith(prefix) and value[2] > state.wall}


class MemoryStorage(MemoryComponent, Storage):
    """Keeps records, streams, counters and values in the process."""

    add = method(machine.add)
    finish = method(machine.store)
    remove = method(remove)
    get_many = method(get_many)
    find = method(find)
    link = method(link)
    report = method(report)
    workers = method(workers)
    counts = method(counts)
    load_value = method(load_value)
    save_value = method(save_value)
    find_values = method(find_values)

    def shares(self, broker: Broker) -> bool:
        """True for a broker over the same store."""
        return isinstance(broker, MemoryComponent) and broker.store is self.store

    def reply_address(self) -> str | None:
        """None: waiters are woken where they wait."""
        return None

    async def wait(self, task_id: str, timeout_s: float) -> Record | None:
        """Wait for the end of a task."""

        def answer(state: State) -> list[Record | None] | None:
            [record] = get_many(state, [task_id])
            return None if record and not record.status.terminal else [record]

        return (await self._until(answer, timeout_s) or [None])[0]

    async def read_stream(self, task_id: str, attempt: int, offset: int, wait_s: float) -> StreamSlice | None:
        """Wait for values beyond an offset, or for the end of the task."""
        found: StreamSlice | None = None

        def answer(state: State) -> bool | None:
            nonlocal found
            found = get_slice(state, task_id, attempt, offset)
            return True if found is None or found.values or found.status.terminal else None

        await self._until(answer, wait_s)
        return found
