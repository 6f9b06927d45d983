"""One task as a timeline: its attempts, what came of it, and why it does not run yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtasks.codec import decode_value
from qtasks.errors import MalformedMessageError
from qtasks.message import Record, TaskMessage
from qtasks.ports import QueueFacts, WorkerFacts
from qtasks.stats.dead_letters import error_line, message_of
from qtasks.stats.facts import Attempt, TaskTimeline
from qtasks.stats.render import duration
from qtasks.types import US_PER_S, TaskStatus

OF_RECORD = ("id", "status", "due", "updated", "truncated", "cancel_reason", "crashes", "child")
OF_MESSAGE = ("task", "queue", "priority", "args", "kwargs", "parent")
"""Fields of a timeline that are those of the record or of the message."""


def timeline_of(
    record: Record, queues: Sequence[QueueFacts], workers: Sequence[WorkerFacts], now_us: int
) -> TaskTimeline:
    """Tell what is known of one task.

    Args:
        record: of the task.
        queues: all, for why it waits.
        workers: all, likewise.
        now_us: when these were read, microseconds UTC.
    """
    message = message_of(record)
    facts = {name: getattr(record, name) for name in OF_RECORD}
    if message is not None:
        facts |= {name: getattr(message, name) for name in OF_MESSAGE}
        facts |= {"created": message.enqueued, "waiting": _why(record, message, queues, workers, now_us)}
    if record.error is not None:
        facts |= {"causes": tuple(record.error.causes), "traceback": record.error.traceback}
    return TaskTimeline(**facts, result=_result(record), error=error_line(record.error), attempts=_attempts(record))


def _result(record: Record) -> Any:
    try:
        return None if record.result is None else decode_value(record.result)
    except MalformedMessageError as error:
        return f"<{error}>"


def _attempts(record: Record) -> list[Attempt]:
    """The ended attempts and deaths, and the one that goes on or was the last."""
    attempts = [
        _attempt(note.attempt, note.worker, note.started, note.finished, "crash" if note.crash else "retry", note.error)
        for note in record.history
    ]
    if record.status is TaskStatus.PROCESS:
        attempts.append(_attempt(record.attempt, record.worker, record.updated, 0, record.status, ""))
    elif record.status.terminal and record.started:
        error = error_line(record.error)
        attempts.append(_attempt(record.attempt, record.worker, record.started, record.updated, record.status, error))
    return attempts


def _attempt(before: int, worker: str, started: int, ended: int, outcome: str, error: str) -> Attempt:
    took_s = max(0, ended - started) / US_PER_S if started and ended else None
    return Attempt(before + 1, worker, started, took_s, outcome, error)


def _why(
    record: Record, message: TaskMessage, queues: Sequence[QueueFacts], workers: Sequence[WorkerFacts], now_us: int
) -> str:
    """Why an open task does not run, in one sentence; empty when it runs or has ended."""
    if record.status not in {TaskStatus.NEW, TaskStatus.RETRY}:
        return ""
    queue = next((queue for queue in queues if queue.name == message.queue), QueueFacts(message.queue))
    serving = [worker for worker in workers if queue.name in worker.queues]
    if record.due > now_us:
        reason = "Its time comes"
        if record.status is TaskStatus.RETRY:
            reason = "Its next attempt starts"
        elif record.due > message.due:
            reason = "No worker that took it knew the task or the version of its message; it is offered again"
        why = f"{reason} in {duration((record.due - now_us) / US_PER_S)}."
    elif queue.paused:
        why = f"Queue {queue.name} is paused."
    elif not serving:
        why = f"No worker serves queue {queue.name}."
    elif all(len(worker.running) >= worker.slots for worker in serving):
        why = f"All slots of the workers that serve queue {queue.name} are busy; {queue.ready} tasks are ready in it."
    elif record.crashes:
        why = "A worker runs it as soon as nothing else runs there: one died with it, so it runs alone."
    else:
        why = "A worker takes it next."
    return why
