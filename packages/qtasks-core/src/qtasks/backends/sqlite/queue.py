"""The way of a task through the queue: published, taken, finished.

Functions over a session, each one transaction; `qtasks.ports.Broker` tells their rules.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter

from qtasks.backends.sqlite.doorbell import POLL_S
from qtasks.backends.sqlite.lease import find_lease
from qtasks.backends.sqlite.moves import OPEN_TASK, Moves, OpenTask, listen, notify, queue_key
from qtasks.backends.sqlite.session import Session
from qtasks.errors import LeaseLostError
from qtasks.message import Delivery, Envelope, Outcome, StreamItem
from qtasks.types import US_PER_S

IDLE_S = 60.0
"""Who takes is listed as idle for as long, and again when it looks after that."""

STEP = 500
"""At most as many tasks are moved at once where no caller set the number: nobody waits long for that."""

_INSERT = """
INSERT INTO task (id, name, priority, enqueued, due, expires, ukey, attempt, reply_to, space, queue, state, updated,
    payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
_KNOWN_AS = """
SELECT id FROM task WHERE id = ? AND space = ? UNION ALL SELECT id FROM task WHERE ukey = ? AND queue = ? LIMIT 1"""
_NEXT = """
SELECT (SELECT min(due) FROM task WHERE state = 'delayed'), (SELECT min(expires) FROM task WHERE expires IS NOT NULL)"""
_PROMOTE = """
UPDATE task SET state = 'ready'
WHERE seq IN (SELECT seq FROM task WHERE state = 'delayed' AND due <= ? ORDER BY due LIMIT ?)"""
_TAKE = """
UPDATE task SET state = 'process', owner = ?, updated = ?, token = min(token, 1 << 60) + 1
WHERE seq IN (
    SELECT seq FROM task WHERE queue = (SELECT id FROM queue WHERE id = ? AND NOT paused) AND state = 'ready'
        AND (expires IS NULL OR expires >= ?) ORDER BY priority, seq LIMIT ?)
RETURNING priority, seq, id, payload, attempt, crashes, token, lost"""

_queue_name = attrgetter("message.queue")
_fields = attrgetter("id", "task", "priority", "enqueued", "due", "expires", "unique", "attempt", "reply_to")


def publish(session: Session, envelopes: Sequence[Envelope]) -> list[str]:
    """Accept messages."""
    now = session.wall_us()
    soon = now + POLL_S * US_PER_S
    added = 0
    for name, group in groupby(envelopes, _queue_name):
        queue = session.queue(name)
        rows = []
        runnable = 0
        for envelope in group:
            message = envelope.message
            state = "delayed" if message.due > now else "ready"
            runnable += message.due <= soon
            rows.append((*_fields(message), session.space, queue, state, now, envelope.payload))
        added += session.executemany(_INSERT, rows).rowcount
        notify(session, [queue_key(queue)], runnable)
    ids = [envelope.message.id for envelope in envelopes]
    if added < len(ids):
        messages = [envelope.message for envelope in envelopes]
        keys = [(one.id, session.space, one.unique, session.queue(one.queue)) for one in messages]
        ids = [session.execute(_KNOWN_AS, key).fetchone()[0] for key in keys]
    return ids


def take(
    session: Session,
    owner: str,
    queues: Sequence[str],
    limit: int,
    in_hand: Collection[Delivery] | None,
    address: str | None,
) -> tuple[list[Delivery], float]:
    """Hand over what is due.

    Args:
        session: where.
        owner: who takes.
        queues: from which, the first in turn first.
        limit: at most this many.
        in_hand: what the owner really has; None when it has all that it is said to own.
        address: where to ring the owner when there is nothing now; None when it does not wait.

    Returns:
        the deliveries, and for how many seconds to wait for the next when there are none.
    """
    lease = find_lease(session, owner)
    if lease is None:
        raise LeaseLostError(owner)
    if in_hand is not None:
        kept = {(delivery.receipt, delivery.token) for delivery in in_hand}
        moves = Moves(session)
        for task in map(OpenTask._make, session.execute(OPEN_TASK + "WHERE owner = ?", lease[:1]).fetchall()):
            if (task.seq, task.token) not in kept:
                moves.put_back(task)
        moves.write()
    now = session.wall_us()
    due, expires = session.execute(_NEXT).fetchone()
    if due is not None and due <= now:
        session.execute(_PROMOTE, (now, STEP))
    if expires is not None and expires < now:
        expire(session)
    numbers = [session.queue(name) for name in queues]
    rows = _hand_over(session, (lease[0], now), numbers, limit)
    if rows:
        session.execute("DELETE FROM listener WHERE name = ?", (owner,))
    elif address is not None:
        listen(session, map(queue_key, numbers), address, owner, IDLE_S)
        due, _ = session.execute(_NEXT).fetchone()
        return [], POLL_S if due is None else min(max((due - now) / US_PER_S, 0.001), POLL_S)
    return [Delivery(*row[1:-1], recovered=bool(row[-1])) for row in rows], 0.0


def _hand_over(
    session: Session, taker: tuple[int, int], queues: Sequence[int], limit: int
) -> list[tuple[int, int, str, bytes, int, int, int, int]]:
    """Take from each queue its share, then from those that have more what the others left."""
    rows: list[tuple[int, int, str, bytes, int, int, int, int]] = []
    full = list(queues)
    while full and len(rows) < limit:
        share = -((len(rows) - limit) // len(full))
        for queue in tuple(full):
            found = session.execute(_TAKE, (*taker, queue, taker[-1], min(share, limit - len(rows)))).fetchall()
            rows += sorted(found)  # RETURNING has no order
            if len(found) < share:
                full.remove(queue)
    return rows


def expire(session: Session) -> None:
    """End tasks that nobody took in their time."""
    overdue = "WHERE expires < ? AND state IN ('ready', 'delayed') LIMIT ?"
    moves = Moves(session)
    for row in session.execute(OPEN_TASK + overdue, (session.wall_us(), STEP)).fetchall():
        moves.end(OpenTask._make(row), "expired")
    moves.write()


def finish(session: Session, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
    """Write what became of deliveries, unless the owner has lost them."""
    lease = find_lease(session, owner)
    held = session.execute(OPEN_TASK + "WHERE owner = ?", lease[:1]) if lease else ()
    tasks = {row[:3]: OpenTask._make(row) for row in held}  # by seq, id and token: what a delivery names

    def find(delivery: Delivery) -> OpenTask | None:
        return tasks.get((delivery.receipt, delivery.id, delivery.token))

    return Moves(session).settle(items, outcomes, find)
