"""The storage in an SQLite database: records and streams; the small things beside them are in `shared.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from qtasks.backends.sqlite import shared
from qtasks.backends.sqlite.database import SqliteComponent, method
from qtasks.backends.sqlite.moves import OPEN_TASK, Moves, OpenTask, notify
from qtasks.backends.sqlite.queue import publish
from qtasks.backends.sqlite.session import Session
from qtasks.codec import found_envelope
from qtasks.message import AttemptNote, Delivery, Envelope, ErrorInfo, Outcome, Record, StreamItem, StreamSlice
from qtasks.ports import Broker, Storage
from qtasks.types import TaskStatus

T = TypeVar("T")

_RECORD = """
SELECT id, state, payload, attempt, crashes, due, started, updated,
    coalesce((SELECT name FROM incarnation WHERE id = task.owner), worker), result, error, truncated, cancel_reason,
    child, history FROM task WHERE """
_KEPT = "space = ? AND (keep_until IS NULL OR keep_until > ?) "
_FITS = """AND name = coalesce(?, name)
    AND (? IS NULL OR queue = (SELECT id FROM queue WHERE space = ? AND name = ?)) """
_CONDITIONS = {
    None: " ",
    TaskStatus.NEW: "AND state IN ('ready', 'delayed', 'stored') AND attempt = 0 ",
    TaskStatus.RETRY: "AND state IN ('ready', 'delayed', 'stored') AND attempt <> 0 ",
    TaskStatus.PROCESS: "AND owner IS NOT NULL ",
    TaskStatus.SUCCESS: "AND state = 'success' ",
}
"""What a status means here; the others are failures, which have an index of their own."""

_WAITING = frozenset({"ready", "delayed", "stored"})
_STATUSES = {status.value: status for status in TaskStatus}
_read_error = msgspec.json.Decoder(ErrorInfo).decode
_read_history = msgspec.json.Decoder(AttemptNote).decode_lines


def add(session: Session, envelopes: Sequence[Envelope]) -> list[str]:
    """Store records of messages that wait elsewhere."""
    ids = publish(session, envelopes)
    stored = (
        "UPDATE task SET state = 'stored', expires = NULL WHERE id = ? AND space = ? AND state IN ('ready', 'delayed')"
    )
    session.executemany(stored, [(task_id, session.space) for task_id in ids])
    return ids


def finish(session: Session, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
    """Write what became of deliveries of a queue elsewhere, unless the task or the attempt has ended before."""
    known = "SELECT 1 FROM task WHERE id = ? AND space = ?"
    stored = "WHERE id = ? AND space = ? AND state = 'stored' AND attempt <= ?"
    ended = {outcome.delivery.id: outcome.delivery for outcome in outcomes if outcome.status.terminal}
    unknown = [one for one in ended.values() if not session.execute(known, (one.id, session.space)).fetchone()]
    add(session, [found_envelope(delivery) for delivery in unknown])

    def find(delivery: Delivery) -> OpenTask | None:
        row = session.execute(OPEN_TASK + stored, (delivery.id, session.space, delivery.attempt)).fetchone()
        return OpenTask._make(row) if row else None

    return Moves(session, home="stored").settle(items, outcomes, find)


def remove(session: Session, ids: Sequence[str]) -> None:
    """Delete records, whatever their status."""
    gone = [(task_id, session.space) for task_id in ids]
    session.executemany("DELETE FROM task WHERE id = ? AND space = ?", gone)
    notify(session, ids)


def get_many(session: Session, ids: Sequence[str]) -> list[Record | None]:
    """The records of tasks, in order."""
    now = session.wall_us()
    rows = (
        session.execute(_RECORD + _KEPT + "AND id = ?", (session.space, now, task_id)).fetchone() for task_id in ids
    )
    return [_read_record(row) if row else None for row in rows]


def find(
    session: Session,
    *,
    status: TaskStatus | None = None,
    task: str | None = None,
    queue: str | None = None,
    limit: int = 100,
) -> list[Record]:
    """Records that fit, the newest first."""
    condition = _CONDITIONS.get(status) or f"AND state = '{status}' AND error IS NOT NULL "
    values = session.space, session.wall_us(), task, queue, session.space, queue, limit
    rows = session.execute(_RECORD + _KEPT + _FITS + condition + "ORDER BY seq DESC LIMIT ?", values)
    return [_read_record(row) for row in rows]


def link(session: Session, parent: str, child: str) -> None:
    """Note which task replays another."""
    session.execute("UPDATE task SET child = ? WHERE id = ? AND space = ?", (child, parent, session.space))


def is_told(session: Session, task_id: str, address: str) -> bool:
    """True when the end of a task is rung at an address anyway: its producer is there."""
    asked = "SELECT 1 FROM task WHERE id = ? AND space = ? AND reply_to = ?"
    return session.execute(asked, (task_id, session.space, address)).fetchone() is not None


def read_slice(session: Session, task_id: str, attempt: int, offset: int) -> StreamSlice | None:
    """What a stream holds from an offset on."""
    asked = "SELECT seq, state, attempt FROM task WHERE id = ? AND space = ?"
    row = session.execute(asked, (task_id, session.space)).fetchone()
    if row is None:
        return None
    # Read after the state, so that the values of a task that has ended are complete.
    [written] = session.execute("SELECT max(attempt) FROM stream WHERE task = ?", row[:1]).fetchone()
    if written is not None and written > attempt:
        attempt, offset = written, 0
    values = "SELECT value FROM stream WHERE task = ? AND attempt = ? AND place >= ? ORDER BY place"
    rows = session.execute(values, (row[0], attempt, offset))
    return StreamSlice(attempt, [value for [value] in rows], _status(*row[1:]))


def _read_record(row: tuple[Any, ...]) -> Record:
    """A record from its row; what somebody else has damaged there is left out."""
    record = Record(*row)
    return msgspec.structs.replace(
        record,
        status=_status(record.status, record.attempt),
        error=_decode(_read_error, row[10]),
        truncated=bool(record.truncated),
        history=_decode(_read_history, row[14]) or [],
    )


def _status(state: str, attempt: int) -> TaskStatus:
    """The status of a state: a task that waits does so for the first time, or for the next."""
    if state in _WAITING:
        return TaskStatus.RETRY if attempt else TaskStatus.NEW
    return _STATUSES.get(state, TaskStatus.DEAD)


def _decode(decode: Callable[[bytes | str], T], data: bytes | str | None) -> T | None:
    try:
        return decode(data) if data else None
    except msgspec.MsgspecError:
        return None


class SqliteStorage(SqliteComponent, Storage):
    """Keeps records, streams, counters and values in a file."""

    add = method(add)
    remove = method(remove)
    finish = method(finish)
    get_many = method(get_many, Session.read)
    find = method(find, Session.read)
    link = method(link)
    report = method(shared.report)
    workers = method(shared.workers, Session.read)
    counts = method(shared.counts, Session.read)
    load_value = method(shared.load_value, Session.read)
    save_value = method(shared.save_value)
    find_values = method(shared.find_values, Session.read)

    def shares(self, broker: Broker) -> bool:
        """True for a broker in the same file and namespace."""
        return isinstance(broker, SqliteComponent) and broker.place == self.place

    def reply_address(self) -> str | None:
        """The doorbell of the running loop, or of the thread in the blocking view; None without a loop."""
        try:
            return self._bell.address
        except RuntimeError:
            return None

    async def wait(self, task_id: str, timeout_s: float) -> Record | None:
        """Wait for the end of a task."""

        def answer(session: Session) -> list[Record | None] | None:
            [record] = get_many(session, [task_id])
            return None if record and not record.status.terminal else [record]

        told = await self._call(Session.read, is_told, task_id, self._bell.address)
        return (await self._until(task_id, answer, timeout_s, listed=told) or [None])[0]

    async def read_stream(self, task_id: str, attempt: int, offset: int, wait_s: float) -> StreamSlice | None:
        """Wait for values beyond an offset, or for the end of the task."""
        found: StreamSlice | None = None

        def answer(session: Session) -> bool | None:
            nonlocal found
            found = read_slice(session, task_id, attempt, offset)
            return True if found is None or found.values or found.status.terminal else None

        await self._until(task_id, answer, wait_s)
        return found
