"""Dead letters go back into their queues, or away. Finding and grouping them is the business of `stats`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qtasks.codec import envelope_of
from qtasks.errors import MalformedMessageError
from qtasks.message import Envelope, Record, new_id
from qtasks.runtime import Link, Runtime, answered
from qtasks.types import TaskStatus

BATCH = 100
"""How many go in one step: a crash between a publishing and its links repeats at most so many replays."""


@attrs.frozen
class Replay:
    """What came of the wish to replay a task.

    Args:
        id: the dead letter.
        child: the task that replays it; None when it was refused.
        refused: why; empty when it was not.
    """

    id: str
    child: str | None
    refused: str = ""


async def replay(runtime: Runtime, link: Link, ids: Sequence[str]) -> list[Replay]:
    """Add dead letters once more: each as a new task with the same message, due at once and without expiry.

    The old record stays and names the new task. Where an open task has the `unique` key of a letter, that one
    counts as its replay. A letter that was replayed before, or whose message cannot be read, is refused.

    Returns:
        what came of each, in order.

    Raises:
        BackendError: the broker or the storage does not answer. What was not replayed yet can be tried again.
    """
    wanted = list(dict.fromkeys(ids))  # none twice
    answers: list[Replay] = []
    for start in range(0, len(wanted), BATCH):
        answers += await _replay_batch(runtime, link, wanted[start : start + BATCH])
    return answers


async def _replay_batch(runtime: Runtime, link: Link, ids: Sequence[str]) -> list[Replay]:
    records = await link.storage.get_many(ids)
    wanted = [await _envelope(runtime, link, record) for record in records]
    envelopes = [envelope for envelope in wanted if isinstance(envelope, Envelope)]
    known = iter(await link.publish(envelopes))
    answers = [
        Replay(old, next(known)) if isinstance(one, Envelope) else Replay(old, None, one)
        for old, one in zip(ids, wanted, strict=True)
    ]
    for answer in answers:
        if answer.child is not None:
            await link.storage.link(answer.id, answer.child)
    return answers


async def _envelope(runtime: Runtime, link: Link, record: Record | None) -> Envelope | str:
    """The envelope of a replay, or why there can be none."""
    if record is None or record.status is not TaskStatus.DEAD:
        return "not a dead letter, or no longer kept"
    if record.child is not None:
        return f"replayed before, as {record.child}"
    fresh = {"id": new_id(), "parent": record.id, "attempt": 0, "enqueued": runtime.clock.wall_us()}
    broker, hooks = link.broker, runtime.hooks.dispatch
    try:  # what the plugins of a worker would refuse is not made a message that they accept
        model = await hooks.broker_read_message(broker=broker, worker=None, model=envelope_of(record.payload))
        payload = answered("broker_read_message", model, Envelope).payload
        model = envelope_of(payload, **fresh, due=0, expires=None, reply_to=None)
        model = await hooks.broker_write_message(broker=broker, model=model)
        return answered("broker_write_message", model, Envelope)
    except MalformedMessageError as error:
        return f"its message cannot be read: {error.message}"


async def drop(link: Link, ids: Sequence[str]) -> int:
    """Remove dead letters with their records; what is none is passed over.

    Returns:
        how many were removed.
    """
    records = await link.storage.get_many(ids)
    dead = [record.id for record in records if record is not None and record.status is TaskStatus.DEAD]
    await link.storage.remove(dead)
    return len(dead)
