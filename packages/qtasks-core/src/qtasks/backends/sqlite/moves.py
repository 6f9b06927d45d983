"""The moves of tasks between their states: what ends, what goes back, and who is woken by it.

Why a task moves is decided in `queue.py`, `lease.py`, `broker.py` and `storage.py`. A transaction gathers
its moves here, and writes each kind in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from qtasks.backends.sqlite.doorbell import POLL_S
from qtasks.backends.sqlite.session import Session
from qtasks.codec import encode_fields
from qtasks.message import AttemptNote, Delivery, ErrorInfo, Outcome, StreamItem
from qtasks.ports.facts import KEEP_ENDED_S
from qtasks.types import US_PER_S, TaskStatus

_WITHOUT_WORKER = Outcome(Delivery(None, "", b""), TaskStatus.DEAD, keep_s=KEEP_ENDED_S)
_NOTED_RETRIES = 100
_NOTE_CHARACTERS = 1000
"""Histories are bounded: later retries and longer texts are not noted."""

_FEW = 100
"""So many listeners are looked up at once, more of them one by one."""

_END = """
UPDATE task SET state = ?, owner = NULL, expires = NULL, ukey = NULL, updated = ?, keep_until = ?, worker = ?,
    started = ?, truncated = ?, cancel_reason = ?, result = ?, error = ? WHERE seq = ?"""
_PUT_BACK = """
UPDATE task SET state = ?, owner = NULL, due = ?, attempt = ?, lost = ?, updated = ?, history = history || ?
WHERE seq = ?"""
_BURY = """
DELETE FROM task WHERE seq IN (
    SELECT seq FROM task WHERE space = ? AND state = 'dead' AND error IS NOT NULL
    ORDER BY updated DESC, seq DESC LIMIT -1 OFFSET ?)"""
_FORGET = "DELETE FROM task WHERE keep_until = 0"
_COUNT = "UPDATE queue SET finished = finished + ? WHERE id = ?"
_RESTART = "DELETE FROM stream WHERE task = ? AND (attempt, token) < (?, ?)"
_STREAM = """
INSERT OR REPLACE INTO stream (task, place, attempt, token, value) SELECT ?, ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM stream WHERE task = ? AND place = 0 AND (attempt, token) > (?, ?))"""
_LISTEN = """
INSERT INTO listener (key, address, name, until) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET until = excluded.until WHERE until < ?"""
_NOTIFY = """
DELETE FROM listener WHERE rowid IN (SELECT rowid FROM listener WHERE key = ? LIMIT ?) RETURNING address, name"""


class OpenTask(NamedTuple):
    """What the moves need to know of a task."""

    seq: int
    id: str
    token: int
    queue: int
    attempt: int
    worker: str
    reply_to: str | None
    cancel_reason: str | None


OPEN_TASK = """
SELECT seq, id, token, queue, attempt, coalesce((SELECT name FROM incarnation WHERE id = task.owner), worker), reply_to,
    cancel_reason FROM task """
"""The beginning of a statement that gives rows of `OpenTask`."""


class Moves:
    """The moves of one transaction.

    Args:
        session: whose.
        home: the state of what goes back; None for waiting here.
    """

    def __init__(self, session: Session, home: str | None = None) -> None:
        self._session = session
        self._home = home
        self._now = session.wall_us()
        self._ended: list[tuple[object, ...]] = []
        self._back: list[tuple[object, ...]] = []
        self._finished: list[int] = []
        self._runnable: list[int] = []
        self._news: list[str] = []
        self._afterwards: dict[str, tuple[int, ...]] = {}

    def settle(
        self, items: Sequence[StreamItem], outcomes: Sequence[Outcome], find: Callable[[Delivery], OpenTask | None]
    ) -> list[str]:
        """Write the values and outcomes of deliveries whose task is found, each task's outcome once; names the rest."""
        refused: dict[str, bool] = {}
        settled: set[int] = set()
        whats: list[StreamItem | Outcome] = [*items, *outcomes]
        for what in whats:
            task = find(what.delivery)
            if task is None or task.seq in settled:
                refused[what.delivery.id] = True
            elif isinstance(what, StreamItem):
                self._stream(task, what)
            else:
                settled.add(task.seq)
                self._settle(task, what)
        self.write()
        return list(refused)

    def _stream(self, task: OpenTask, item: StreamItem) -> None:
        run = item.delivery.attempt, item.delivery.token
        if item.offset == 0:
            self._session.execute(_RESTART, (task.seq, *run))
        if item.offset < self._session.context.stream_cap:
            self._session.execute(_STREAM, (task.seq, item.offset, *run, item.value, task.seq, *run))
        self._news.append(task.id)

    def _settle(self, task: OpenTask, outcome: Outcome) -> None:
        error = outcome.error
        if outcome.status is TaskStatus.RETRY:
            text = f"{error.type}: {error.text}"[:_NOTE_CHARACTERS] if error else ""
            worker = outcome.worker or task.worker
            note = AttemptNote(task.attempt, worker, outcome.started, outcome.finished, text)
            self.put_back(task, outcome.due, note)
        elif outcome.status is TaskStatus.NEW:
            self.put_back(task, outcome.due)
        else:
            if error and task.cancel_reason is None:
                task = task._replace(cancel_reason=error.text)
            self.end(task, outcome.status.value, error, outcome)

    def end(
        self, task: OpenTask, state: str, error: ErrorInfo | None = None, outcome: Outcome = _WITHOUT_WORKER
    ) -> None:
        """End a task: its record is kept for its time, a dead letter until there are too many."""
        keep_until: int | None = None
        if state == "dead":
            self._afterwards[_BURY] = self._session.space, self._session.context.dead_letter_cap
        elif outcome.keep_s > 0:
            keep_until = self._now + int(outcome.keep_s * US_PER_S)
        else:
            keep_until = 0
            self._afterwards[_FORGET] = ()
        reason = task.cancel_reason if state == "cancel" else None
        info = None if state == "success" else encode_fields(error) if error else b""
        run = outcome.worker or task.worker, outcome.started, outcome.truncated
        self._ended.append((state, self._now, keep_until, *run, reason, outcome.result, info, task.seq))
        self._finished.append(task.queue)
        self._news.append(task.id)
        if task.reply_to:
            self._session.bells[task.reply_to].append(task.id)

    def put_back(self, task: OpenTask, due: int = 0, attempt: AttemptNote | None = None, *, lost: bool = False) -> None:
        """Let a task wait again, after an attempt that counts or none; or end it when somebody asked to cancel it."""
        state = self._home or ("delayed" if due > self._now else "ready")
        attempts = min(task.attempt, 1 << 60) + (attempt is not None)  # whatever was written there by others
        note = encode_note(attempt) if attempt and attempts <= _NOTED_RETRIES else ""
        self._back.append((state, due, attempts, lost, self._now, note, task.seq))
        if task.cancel_reason is not None:
            self.end(task, "cancel")
        elif due <= self._now + POLL_S * US_PER_S:
            self._runnable.append(task.queue)

    def write(self) -> None:
        """Write all moves, and note whom they wake."""
        session = self._session
        if self._back:
            session.executemany(_PUT_BACK, self._back)
        if self._ended:  # after that: a task that was to be cancelled goes back first
            session.executemany(_END, self._ended)
            session.executemany(_COUNT, [(count, queue) for queue, count in Counter(self._finished).items()])
        for statement, values in self._afterwards.items():
            session.execute(statement, values)
        for queue, count in Counter(self._runnable).items():
            notify(session, [queue_key(queue)], count)
        notify(session, self._news)


def encode_note(note: AttemptNote) -> str:
    """One line of a history."""
    return encode_fields(note).decode() + "\n"


def queue_key(queue: int) -> str:
    """What those listen for who take from a queue."""
    return f"queue:{queue}"


def cancel_key(owner: str | None) -> str:
    """What an owner listens for to be told whom to cancel."""
    return f"cancel:{owner}"


def listen(session: Session, keys: Iterable[str], address: str, name: str, timeout_s: float) -> None:
    """Have a name rung at an address, once, when there is news of one of the keys."""
    now, timeout = session.wall_us(), round(timeout_s * US_PER_S)
    # Who is listed already for at least half of that is not listed again: who has nothing to write writes nothing.
    session.executemany(_LISTEN, [(key, address, name, now + timeout, now + timeout // 2) for key in keys])


def notify(session: Session, keys: Iterable[str], limit: int = -1) -> None:
    """Ring those who listen for one of the keys, or so many of them."""
    listening = session.execute("SELECT key FROM listener LIMIT ?", (_FEW,)).fetchall()
    if len(listening) < _FEW:  # mostly there are none, or some idle workers
        keys = {key for [key] in listening}.intersection(keys)
    for key in keys:
        for address, name in session.execute(_NOTIFY, (key, limit)):
            session.bells[address].append(name)
