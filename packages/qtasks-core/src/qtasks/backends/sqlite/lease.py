"""The leases of incarnations.

A lease ends at a time of the monotonic clock, which all processes of a machine share and nobody sets. When
the machine boots anew it begins anew: then a lease that ends further away than it is long is one from before,
and lost. (One that happens to end nearer is lost when it ends. So there is no need to ask for the boot's id.)
Times are read inside the transaction: in the order of the writes.
"""

from __future__ import annotations

from collections.abc import Collection

from qtasks.backends.sqlite.moves import OPEN_TASK, Moves, OpenTask, encode_note
from qtasks.backends.sqlite.session import Session
from qtasks.backends.sqlite.shared import forget_worker
from qtasks.message import AttemptNote, ErrorInfo
from qtasks.ports.facts import COUNTED_DEATHS
from qtasks.types import US_PER_S

_JOIN = """
INSERT INTO incarnation (owner, name, lease, until) VALUES (?, ?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET lease = excluded.lease, until = excluded.until"""
_FIND = "SELECT id, name FROM incarnation WHERE owner = ? AND until - ? BETWEEN 1 AND lease"
_RENEW = "UPDATE incarnation SET until = ? + lease WHERE owner = ? AND until - ? BETWEEN 1 AND lease"
_ASKED = """
SELECT id, cancel_reason FROM task WHERE cancel_reason IS NOT NULL AND owner = (
    SELECT id FROM incarnation WHERE owner = ? AND until - ? BETWEEN 1 AND lease)"""
_LOST = "SELECT owner FROM incarnation WHERE until - ? NOT BETWEEN 1 AND lease"
_COUNT_DEATH = (
    "UPDATE task SET crashes = min(crashes, 1 << 60) + 1, history = history || ? WHERE seq = ? RETURNING crashes"
)


def find_lease(session: Session, owner: str) -> tuple[int, str] | None:
    """The number of the owner's incarnation and the worker's name; None when the lease is lost."""
    row: tuple[int, str] | None = session.execute(_FIND, (owner, session.monotonic_us())).fetchone()
    return row


def join(session: Session, owner: str, name: str, lease_s: float) -> None:
    """Begin an incarnation, or go on with it while its lease holds."""
    _reap(session)
    lease = round(lease_s * US_PER_S)
    session.execute(_JOIN, (owner, name, lease, session.monotonic_us() + lease))


def release(session: Session, owner: str, *, death: str | None = None) -> list[str]:
    """End an incarnation; a death is counted for everything in its hands."""
    forget_worker(session, owner)
    if find_lease(session, owner):
        return _take_away(session, owner, death, lost=death is not None)
    _reap(session)
    return []


def beat(session: Session, owners: Collection[str]) -> set[str]:
    """Renew the leases that hold, and take away what the others have."""
    now = session.monotonic_us()
    confirmed = {owner for owner in owners if session.execute(_RENEW, (now, owner, now)).rowcount}
    _reap(session)
    return confirmed


def cancel_requests(session: Session, owner: str, known: Collection[str]) -> dict[str, str]:
    """What an owner was asked to cancel and does not know yet."""
    requests = session.execute(_ASKED, (owner, session.monotonic_us()))
    return {task_id: reason for task_id, reason in requests if task_id not in known}


def _reap(session: Session) -> None:
    for [owner] in session.execute(_LOST, (session.monotonic_us(),)).fetchall():
        _take_away(session, owner, None, lost=True)


def _take_away(session: Session, owner: str, death: str | None, *, lost: bool) -> list[str]:
    """End an incarnation: its tasks wait again, or are dead when they have cost too many workers."""
    moves = Moves(session)
    held = "WHERE owner = (SELECT id FROM incarnation WHERE owner = ?)"
    tasks = [OpenTask._make(row) for row in session.execute(OPEN_TASK + held, (owner,))]
    for task in tasks:
        if death is not None and _count_death(session, task, death) >= COUNTED_DEATHS:
            text = f"{COUNTED_DEATHS} workers died while they ran it; the last: {death}"
            moves.end(task, "dead", ErrorInfo("WorkerDied", text))
        else:
            moves.put_back(task, lost=lost)
    session.execute("DELETE FROM incarnation WHERE owner = ?", (owner,))
    session.execute("DELETE FROM listener WHERE name = ?", (owner,))
    moves.write()
    return [task.id for task in tasks]


def _count_death(session: Session, task: OpenTask, death: str) -> int:
    note = AttemptNote(task.attempt, task.worker, 0, session.wall_us(), death, crash=True)
    [deaths] = session.execute(_COUNT_DEATH, (encode_note(note), task.seq)).fetchone()
    return int(deaths)
