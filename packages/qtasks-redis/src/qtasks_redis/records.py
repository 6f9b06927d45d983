"""How a task is written in Redis, and read again: records, endings, and what only some tasks have.

The layout is told at the top of `lua/base.lua`. What somebody else has damaged is read as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import msgspec
from qtasks.codec import encode_fields
from qtasks.message import AttemptNote, Delivery, Envelope, ErrorInfo, Outcome, Record, TaskMessage
from qtasks.types import US_PER_S, TaskStatus

T = TypeVar("T")

MEMBER_BYTES = 54
"""Priority (8), batch (10), index (4) and id (32) of a task, in hexadecimal digits: its place in a queue."""

TRAILER_BYTES = 49
"""Behind the record of what has ended: the lengths of ending and more (8 each), the child's id (32), a zero byte."""

NO_CHILD = "-" * 32

BATCH = 1_000
"""So many messages are published by one script; more of them by several, sent together."""

NOTE_CHARACTERS = 1000
"""Longer texts are cut in histories."""


class Receipt(NamedTuple):
    """What identifies a delivery: the owner with its token, and where the task came from."""

    claim: bytes
    head: bytes
    queue: bytes


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """How a task ended, as it stands behind the payload in its record."""

    status: str
    updated: int
    keep_until: int
    worker: str = ""
    started: int = 0
    result: bytes | None = None
    error: str | None = None
    truncated: bool = False
    cancel_reason: str | None = None


class More(msgspec.Struct, frozen=True):
    """What only some tasks have; the names are told in `lua/base.lua`."""

    attempts: int = msgspec.field(name="a", default=0)
    crashes: int = msgspec.field(name="c", default=0)
    due: int = msgspec.field(name="d", default=0)
    history: list[str] = msgspec.field(name="h", default_factory=list)
    cancel: str | None = msgspec.field(name="k", default=None)
    lost: int = msgspec.field(name="l", default=0)


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a publisher asks for beyond the queue and the priority."""

    due: int = msgspec.field(name="d", default=0)
    expires: int | None = msgspec.field(name="x", default=None)
    unique: str | None = msgspec.field(name="u", default=None)
    attempts: int = msgspec.field(name="a", default=0)
    reply_to: str | None = msgspec.field(name="r", default=None)


class Summary(msgspec.Struct, frozen=True):
    """What lists and figures need to know of a message."""

    task: str = ""
    enqueued: int = 0


class Written(NamedTuple):
    """A record taken apart: the place, the queue, the payload, and behind it how the task ended."""

    member: bytes
    queue: str
    payload: bytes
    child: str | None
    ending: Ending | None
    more: More


_BARE_TRAILER = f"{0:08x}{NO_CHILD}\0".encode()
_TOKEN = re.compile(rb"[0-9a-f]{14}")
_NO_MORE = More()
_read_ending = msgspec.msgpack.Decoder(Ending).decode
_read_more = msgspec.msgpack.Decoder(More).decode
_read_summary = msgspec.json.Decoder(Summary).decode
_read_error = msgspec.json.Decoder(ErrorInfo).decode
_read_note = msgspec.json.Decoder(AttemptNote).decode
_encode = msgspec.msgpack.Encoder().encode


def encode_options(message: TaskMessage) -> bytes:
    """What `publish.lua` is told of a message beyond place and payload, where there is something to tell."""
    return _encode(Options(message.due, message.expires, message.unique, message.attempt, message.reply_to))


def in_batches(envelopes: Sequence[Envelope]) -> list[Sequence[Envelope]]:
    """Messages, those of one queue together, `BATCH` of them at most."""
    if len(envelopes) == 1:
        return [envelopes]
    queues: dict[str, list[Envelope]] = {}
    for envelope in envelopes:
        queues.setdefault(envelope.message.queue, []).append(envelope)
    return [some[at : at + BATCH] for some in queues.values() for at in range(0, len(some), BATCH)]


def publish_arguments(envelopes: Sequence[Envelope]) -> list[str | bytes | int]:
    """What `publish.lua` is told of messages of one queue."""
    arguments: list[str | bytes | int] = [envelopes[0].message.queue, len(envelopes)]
    special: list[str | bytes | int] = []
    for number, envelope in enumerate(envelopes):
        message = envelope.message
        arguments += (f"{message.priority + 2**31:08x}", f"{number:04x}{message.id}", envelope.payload)
        if message.due or message.attempt or message.expires or message.unique or message.reply_to:
            special += (number + 1, encode_options(message))
    return arguments + special


def encode_ending(outcome: Outcome, wall_us: int) -> bytes:
    """How a task ends by a worker's outcome: what stands behind the payload of its record."""
    error = outcome.error
    ending = _encode(
        (  # the fields of an `Ending`: a tuple is made in a quarter of the time
            outcome.status,
            outcome.finished or wall_us,
            wall_us + int(outcome.keep_s * US_PER_S),
            outcome.worker,
            outcome.started,
            outcome.result,
            None if error is None else encode_fields(error).decode(),
            outcome.truncated,
            error.text if error is not None and outcome.status is TaskStatus.CANCEL else None,
        )
    )
    return b"%b%08x%b" % (ending, len(ending), _BARE_TRAILER)


def encode_record(outcome: Outcome, wall_us: int) -> bytes:
    """The whole record of a task that ends by a worker's outcome."""
    delivery = outcome.delivery
    receipt: Receipt = delivery.receipt
    return b"%b%b\n%b%b" % (receipt.head, receipt.queue, delivery.payload, encode_ending(outcome, wall_us))


def encode_note(outcome: Outcome) -> bytes:
    """The line of the history about an attempt that will be repeated."""
    error = outcome.error
    text = f"{error.type}: {error.text}"[:NOTE_CHARACTERS] if error else ""
    delivery = outcome.delivery
    return encode_fields(AttemptNote(delivery.attempt, outcome.worker, outcome.started, outcome.finished, text))


def read_deliveries(owner: str, found: Sequence[Any]) -> list[Delivery]:
    """What was handed over, from what `take.lua` tells of it."""
    token, members, queues, records, mores = found
    claim, number = owner.encode() + token, int(token, 16)
    deliveries = []
    for member, queue, record, more in zip(members, queues, chain(*records), chain(*mores), strict=True):
        receipt = Receipt(claim, member, queue)
        task_id = member[22:].decode(errors="replace")
        payload = b"" if record is None else record[record.find(b"\n", MEMBER_BYTES) + 1 :]
        if more is None:
            deliveries.append(Delivery(receipt, task_id, payload, 0, 0, number))
        else:
            known = read_more(more)
            attempts, crashes = known.attempts, known.crashes
            deliveries.append(Delivery(receipt, task_id, payload, attempts, crashes, number, bool(known.lost)))
    return deliveries


def read_pushed(owner: str, body: bytes) -> Delivery | None:
    """What was pushed into an owner's hands: token and record; None when somebody else has published it."""
    token, record = body[:14], body[14:]
    head = record.find(b"\n", MEMBER_BYTES)
    if head < 0 or not _TOKEN.fullmatch(token):
        return None
    member, queue = record[:MEMBER_BYTES], record[MEMBER_BYTES:head]
    receipt = Receipt(owner.encode() + token, member, queue)
    return Delivery(receipt, member[22:].decode(errors="replace"), record[head + 1 :], 0, 0, int(token, 16))


def take_apart(record: bytes, more: bytes = b"") -> Written:
    """A record, and what else is known of the task."""
    head = record.find(b"\n", MEMBER_BYTES)
    member, queue = record[:MEMBER_BYTES], record[MEMBER_BYTES : max(head, 0)].decode(errors="replace")
    trailer = record[-TRAILER_BYTES:]
    if trailer[-1:] == b"\0":
        try:
            more_at = len(record) - TRAILER_BYTES - int(trailer[8:16], 16)
            ending_at = more_at - int(trailer[:8], 16)
            ending = _read_ending(record[ending_at:more_at])
        except (ValueError, msgspec.MsgspecError):  # somebody else has written it
            return Written(member, queue, record[head + 1 :], None, None, read_more(more))
        child = trailer[16:48].decode(errors="replace")
        known = read_more(record[more_at:-TRAILER_BYTES])
        return Written(member, queue, record[head + 1 : ending_at], None if child == NO_CHILD else child, ending, known)
    return Written(member, queue, record[head + 1 :], None, None, read_more(more))


def read_record(task_id: str, record: bytes, more: bytes, claim: bytes, owner: bytes) -> Record:
    """What readers see of a task."""
    written = take_apart(record, more)
    ending, known = written.ending, written.more
    common: dict[str, Any] = {
        "attempt": known.attempts,
        "crashes": known.crashes,
        "child": written.child,
        "history": [note for line in known.history if (note := _safely(_read_note, line)) is not None],
    }
    if ending is None:
        status = TaskStatus.PROCESS if claim else TaskStatus.RETRY if known.attempts else TaskStatus.NEW
        worker = owner.split(b" ", 2)[2].decode(errors="replace") if owner.count(b" ") >= 2 else ""
        since = read_summary(written.payload).enqueued
        common |= {"due": known.due, "updated": since, "worker": worker, "cancel_reason": known.cancel}
    else:
        status = _STATUSES.get(ending.status, TaskStatus.DEAD)
        reason = (known.cancel or ending.cancel_reason) if status is TaskStatus.CANCEL else None
        common |= {
            "updated": ending.updated,
            "started": ending.started,
            "worker": ending.worker,
            "result": ending.result,
            "error": _safely(_read_error, ending.error) if ending.error else None,
            "truncated": ending.truncated,
            "cancel_reason": reason,
        }
    return Record(task_id, status, written.payload, **common)


def is_over(record: bytes, wall_us: int) -> bool:
    """True for a record whose time is over by the clock of whoever wrote how it ended."""
    ending = take_apart(record).ending
    return ending is not None and ending.status != TaskStatus.DEAD and ending.keep_until <= wall_us


def read_summary(payload: bytes) -> Summary:
    """A few fields of a message; their defaults where it cannot be read."""
    return _safely(_read_summary, payload) or Summary()


def read_more(more: bytes) -> More:
    """What only some tasks have."""
    return (_safely(_read_more, more) if more else None) or _NO_MORE


_STATUSES = {status.value: status for status in TaskStatus}


def _safely(decode: Callable[[Any], T], data: bytes | str) -> T | None:
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
