"""The data on the way of one task: message -> delivery -> outcome -> record.

A `TaskMessage` is what a producer asks for and never changes. A `Delivery` is one handing-over of it to
a worker. An `Outcome` is what the worker wants written about that delivery. A `Record` is what readers
see. How these become bytes is `codec.py`; where they are kept is the backends' business.

They are msgspec structs and not attrs classes: measured, a message is made, encoded and decoded in a
third of the time (`docs/explanation/decisions/0002-structs.md`). Copies with changes are made by
`msgspec.structs.replace`.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Annotated, Any
from uuid import UUID

import msgspec

from qtasks.types import US_PER_S, TaskStatus

WIRE_VERSION = 1
"""`v` of the envelopes that this version writes; higher ones are parked."""

DEFAULT_QUEUE = "default"

Priority = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
LATEST_US = 253_402_300_799_999_999
"""The end of the year 9999, microseconds UTC: what `datetime` can show."""

Moment = Annotated[int, msgspec.Meta(ge=0, le=LATEST_US)]
"""Microseconds since the epoch, UTC, until the end of the year 9999."""


def new_id() -> str:
    """An id of a task: a UUID of version 7 as 32 hexadecimal digits, in the order of time, 72 bits of it random.

    In order, because random keys cost an index of a million open tasks three times as much
    (`docs/explanation/decisions/0003-ids.md`). The chance is not fetched ahead: a process that was forked by a server
    written in C would not know that it has to fetch its own.
    """
    chance = os.urandom(9).hex()
    return f"{time.time_ns() // 1_000_000:012x}7{chance[:3]}8{chance[3:]}"


def new_ids(count: int) -> list[str]:
    """Ids of tasks, as `new_id` makes them; many cost less together."""
    if count == 1:
        return [new_id()]
    begin, chance = f"{time.time_ns() // 1_000_000:012x}7", os.urandom(9 * count).hex()
    return [f"{begin}{chance[at : at + 3]}8{chance[at + 3 : at + 18]}" for at in range(0, 18 * count, 18)]


class TaskMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a producer asks for: the envelope of the wire format (`docs/reference/wire.md`).

    Validated where it is made (`producer.py`) and where foreign bytes are decoded (`codec.py`).

    Args:
        v: the version of the envelope: `WIRE_VERSION`; always written, unlike fields at their default.
        id: 32 lower-case hexadecimal digits, unique.
        namespace: the name of the application: `QueueTasks(name)`.
        queue: the queue it waits in.
        task: the exact name of the task; nothing is imported by name.
        args: positional arguments, JSON values once decoded.
        kwargs: keyword arguments, likewise.
        priority: lower runs first; 32 bits.
        enqueued: when it was accepted, microseconds UTC.
        due: not before this time, microseconds UTC; 0 is at once.
        expires: not after this time, microseconds UTC; None is never.
        unique: while an open task of its queue has this key, no second one is accepted there.
        attempt: attempts that ended before this message was written; 0 from a producer.
        reply_to: an address of the backend's own where the producer waits for the result.
        parent: the id of the task that this one replays.
        headers: for plugins: tracing and the like.
        signature: for the signing plugin.
    """

    v: int
    id: str
    namespace: str
    queue: str
    task: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    priority: Priority = 0
    enqueued: Moment = 0
    due: Moment = 0
    expires: Moment | None = None
    unique: str | None = None
    attempt: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    reply_to: str | None = None
    parent: str | None = None
    headers: dict[str, Any] = msgspec.field(default_factory=dict)
    signature: str | None = None

    # What handles, hooks and contexts call these fields.

    @property
    def uuid(self) -> UUID:
        """The id."""
        return UUID(self.id)

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.task

    @property
    def created_at(self) -> dt.datetime:
        """When it was accepted, UTC."""
        return dt.datetime.fromtimestamp(self.enqueued / US_PER_S, tz=dt.UTC)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A message with its bytes, ready to be published.

    Args:
        message: what is published.
        payload: the same as bytes. Backends store these verbatim, so that fields which a newer
            version added are kept.
    """

    message: TaskMessage
    payload: bytes


class Delivery(msgspec.Struct, frozen=True, eq=False):
    """One handing-over of a task to one incarnation of a worker.

    Args:
        receipt: the backend's own handle, hashable: a row, a delivery tag, an offset.
        id: the task's id as the queue has it; never empty, and the same at every delivery.
        payload: the envelope's bytes, not yet decoded: one bad message must not spoil a batch.
        attempt: attempts that ended before this one; 0 on the first run.
        crashes: counted deaths of workers while they ran it. Above 0 the task is suspect.
        token: grows with every delivery of the task: a fencing token (`ctx.delivery`).
        recovered: True when its last owner died with it or lost it; False after a hand-back.
    """

    receipt: Any
    id: str
    payload: bytes
    attempt: int = 0
    crashes: int = 0
    token: int = 1
    recovered: bool = False


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception as it travels: text only, never rebuilt by import.

    Args:
        type: the exception's type name.
        text: its message.
        traceback: the traceback as text, without local variables; at most 64 KiB.
        causes: the chain of `__cause__`, outermost first, each as "Type: text".
    """

    type: str
    text: str
    traceback: str = ""
    causes: list[str] = msgspec.field(default_factory=list)


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What a worker wants written about one delivery.

    Args:
        delivery: which one; the write is refused when its owner lost it meanwhile.
        status: terminal; or `retry` (runs again at `due`, the attempt is counted); or `new`
            (handed back, uncounted: drain, parking, snooze).
        result: the returned value, encoded; None for no stored result.
        error: why, for everything but success.
        started: when the run began, microseconds UTC; 0 when it did not.
        finished: when the outcome was made, microseconds UTC.
        due: for `retry` and `new`: not before this time, microseconds UTC; 0 is at once.
        keep_s: how long the record is kept, seconds; 0 removes it at once. A dead letter ignores it.
        reply_to: the message's; who is to be pushed the result.
        truncated: True when the result was over the size limit and only its stream is kept.
        worker: the name of the worker.
    """

    delivery: Delivery
    status: TaskStatus
    result: bytes | None = None
    error: ErrorInfo | None = None
    started: int = 0
    finished: int = 0
    due: int = 0
    keep_s: float = 0
    reply_to: str | None = None
    truncated: bool = False
    worker: str = ""


class StreamItem(msgspec.Struct, frozen=True, eq=False):
    """One handled value of a generator task, published while it runs.

    Args:
        delivery: of which run; refused like an outcome when the owner lost it.
        offset: 0 for the first value of the attempt.
        value: the value, encoded.
    """

    delivery: Delivery
    offset: int
    value: bytes


class StreamSlice(msgspec.Struct, frozen=True):
    """What a reader of a stream gets in one answer.

    Args:
        attempt: the attempt that wrote the values; a higher one than asked for means a restart.
        values: the encoded values from the asked offset on.
        status: the task's status as of this answer: read on until it is terminal.
    """

    attempt: int
    values: list[bytes]
    status: TaskStatus


class AttemptNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ended attempt, or one counted death, in the history of a task.

    Args:
        attempt: which attempt, from 0.
        worker: the name of the worker that ran it.
        started: microseconds UTC; 0 when unknown.
        finished: microseconds UTC.
        error: "Type: text" of the exception, or the note of the death.
        crash: True for a death of the worker.
    """

    attempt: int
    worker: str
    started: int
    finished: int
    error: str
    crash: bool = False


class Record(msgspec.Struct, frozen=True):
    """What a backend knows of one task: the envelope's bytes and what became of it.

    Times are microseconds UTC. `result` and `error` are set when `status` is terminal.
    """

    id: str
    status: TaskStatus
    payload: bytes
    attempt: int = 0
    crashes: int = 0
    due: int = 0
    started: int = 0
    updated: int = 0
    worker: str = ""
    result: bytes | None = None
    error: ErrorInfo | None = None
    truncated: bool = False
    cancel_reason: str | None = None
    child: str | None = None
    history: list[AttemptNote] = msgspec.field(default_factory=list)
