"""The broker in an SQLite database: its methods, and what people do to queues: cancel, pause, look, purge."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from qtasks.backends.sqlite import lease
from qtasks.backends.sqlite.database import SqliteComponent, method
from qtasks.backends.sqlite.moves import OPEN_TASK, Moves, OpenTask, cancel_key, notify, queue_key
from qtasks.backends.sqlite.queue import STEP, expire, finish, publish, take
from qtasks.backends.sqlite.session import Session
from qtasks.message import Delivery
from qtasks.ports import Broker, CancelAnswer, QueueFacts
from qtasks.types import US_PER_S

SWEEPS_PER_BEAT = 100
"""What is over is removed in so many short transactions at most, so that nobody waits long for one of them."""

_FIND = "SELECT state, (SELECT owner FROM incarnation WHERE id = task.owner) FROM task WHERE id = ? AND space = ?"
_INSPECT = """
SELECT name, paused, finished, removed,
    (SELECT count(*) FROM task WHERE queue = q.id AND state = 'ready'),
    (SELECT count(*) FROM task WHERE queue = q.id AND state = 'delayed' AND due <= :now),
    (SELECT count(*) FROM task WHERE queue = q.id AND state = 'delayed' AND due > :now),
    (SELECT count(*) FROM task WHERE queue = q.id AND owner IS NOT NULL),
    (SELECT count(*) FROM task WHERE queue = q.id AND space = :space AND state = 'dead' AND error IS NOT NULL),
    (SELECT max(enqueued, due) FROM task
        WHERE seq = (SELECT min(seq) FROM task WHERE queue = q.id AND state = 'ready')),
    (SELECT min(due) FROM task WHERE queue = q.id AND state = 'delayed' AND due <= :now)
FROM queue q WHERE space = :space ORDER BY name"""
_PURGE = """
DELETE FROM task WHERE seq IN (
    SELECT seq FROM task WHERE queue = ? AND state = 'ready' UNION ALL
    SELECT seq FROM task WHERE queue = ? AND state = 'delayed' LIMIT ?)
RETURNING reply_to, id"""
_SWEEP = "DELETE FROM task WHERE seq IN (SELECT seq FROM task WHERE keep_until <= ? ORDER BY keep_until LIMIT ?)"


def cancel(session: Session, task_id: str, reason: str) -> CancelAnswer:
    """Cancel what waits; note the wish for what runs."""
    key = task_id, session.space
    state, owner = session.execute(_FIND, key).fetchone() or (None, None)
    if state in {"ready", "delayed", "stored"}:
        moves = Moves(session)
        task = OpenTask._make(session.execute(OPEN_TASK + "WHERE id = ? AND space = ?", key).fetchone())
        moves.end(task._replace(cancel_reason=reason), "cancel")
        moves.write()
        return CancelAnswer.CANCELLED
    if state == "process":
        session.execute("UPDATE task SET cancel_reason = ? WHERE id = ? AND space = ?", (reason, *key))
        notify(session, [cancel_key(owner)])
        return CancelAnswer.REQUESTED
    return CancelAnswer.FINISHED if state else CancelAnswer.UNKNOWN


def set_paused(session: Session, queue: str, paused: bool) -> None:
    """Pause a queue, or resume it."""
    number = session.queue(queue)
    session.execute("UPDATE queue SET paused = ? WHERE id = ?", (paused, number))
    notify(session, [queue_key(number)])


def inspect(session: Session) -> list[QueueFacts]:
    """The facts of every queue, by name."""
    now = session.wall_us()
    facts = []
    for row in session.execute(_INSPECT, {"space": session.space, "now": now}):
        name, paused, finished, removed, ready, due, delayed, running, dead, *oldest = row
        age = now - min((since for since in oldest if since is not None), default=now)
        depths = ready + due, delayed, running, dead
        # The accepted are counted when they go: a counter that every publish raises would cost it a page.
        enqueued = sum(depths[:3]) + finished + removed
        facts.append(QueueFacts(name, *depths, age / US_PER_S, bool(paused), enqueued, finished))
    return facts


def purge(session: Session, queue: str) -> int:
    """Remove some of the tasks that wait in a queue; fewer than `STEP` when those were the last."""
    number = session.queue(queue)
    gone = session.execute(_PURGE, (number, number, STEP)).fetchall()
    session.execute("UPDATE queue SET removed = removed + ? WHERE id = ?", (len(gone), number))
    for address, task_id in gone:
        session.bells[address or ""].append(task_id)
    notify(session, [task_id for _, task_id in gone])
    return len(gone)


def sweep(session: Session) -> int:
    """Remove some of what is over; fewer than `STEP` records when those were the last."""
    now = session.wall_us()
    expire(session)
    session.execute("DELETE FROM listener WHERE until <= ?", (now,))
    session.execute("DELETE FROM value WHERE until <= ?", (now,))
    return session.execute(_SWEEP, (now, STEP)).rowcount


class SqliteBroker(SqliteComponent, Broker):
    """Keeps messages in a file: for any number of processes of one machine, without a server."""

    _turn = 0

    publish = method(publish)
    join = method(lease.join)
    finish = method(finish)
    release = method(lease.release)
    cancel = method(cancel)
    set_paused = method(set_paused)
    inspect = method(inspect, Session.read)

    async def take(
        self, owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        """Hand over what is due, or wait until somebody rings or the next task is due."""
        deadline = time.monotonic() + wait_s
        while True:
            left_s = deadline - time.monotonic() if wait_s and limit else 0.0
            address = self._bell.address if left_s > 0 else None
            first = self._turn % max(len(queues), 1)
            self._turn += 1
            in_turn = (*queues[first:], *queues[:first])
            found: tuple[list[Delivery], float]
            found = await self._call(Session.write, take, owner, in_turn, limit, in_hand, address)
            deliveries, idle_s = found
            if idle_s == 0:
                return deliveries
            await self._bell.heard(owner, min(idle_s, left_s))
            in_hand = None

    async def cancel_requests(self, owner: str, known: Collection[str] = (), wait_s: float = 0.0) -> dict[str, str]:
        """Tell what an owner was asked to cancel, or wait until somebody rings."""
        key = cancel_key(owner)
        return await self._until(key, lambda here: lease.cancel_requests(here, owner, known) or None, wait_s) or {}

    async def beat(self, owners: Collection[str]) -> set[str]:
        """Renew leases, then remove what is over."""
        confirmed: set[str] = await self._call(Session.write, lease.beat, owners)
        for _ in range(SWEEPS_PER_BEAT):
            if await self._call(Session.write, sweep) < STEP:
                break
            await self._kind.pause(0)
        return confirmed

    async def purge(self, queue: str) -> int:
        """Remove every task that waits in a queue, in several short transactions."""
        removed, some = 0, STEP
        while some == STEP:
            some = await self._call(Session.write, purge, queue)
            removed += some
            await self._kind.pause(0)
        return removed
