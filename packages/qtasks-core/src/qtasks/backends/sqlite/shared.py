"""What is kept beside the tasks: shared values, settings, the reports of workers, counters.

All of it is in one table of values by kind and key. Functions over a session; `qtasks.ports.Storage` tells
the rules.
"""

from __future__ import annotations

from collections.abc import Mapping

from qtasks.backends.sqlite.session import Session
from qtasks.codec import encode_fields, restore
from qtasks.ports import TaskCounts, WorkerFacts
from qtasks.ports.facts import WORKER_SILENCE_S
from qtasks.types import US_PER_S

_LOAD = "SELECT value, version FROM value WHERE space = ? AND kind = ? AND key = ? AND (until IS NULL OR until > ?)"
_LOAD_ALL = "SELECT key, value FROM value WHERE space = ? AND kind = ? AND key GLOB ? AND (until IS NULL OR until > ?)"
_STORE = "INSERT OR REPLACE INTO value (space, kind, key, value, until) VALUES (?, ?, ?, ?, ?)"


def load(session: Session, kind: str, pattern: str = "*") -> dict[str, bytes]:
    """The values of a kind whose keys fit a pattern, in which only `*` and `?` are special."""
    found = session.execute(_LOAD_ALL, (session.space, kind, pattern.replace("[", "[[]"), session.wall_us()))
    return {key: value for key, value in found if value is not None}


def store(session: Session, kind: str, key: str, value: bytes | None, until: int | None = None) -> None:
    """Store a value until a time, wall microseconds. It gets a version that no other ever had."""
    session.execute(_STORE, (session.space, kind, key, value, until))


def load_value(session: Session, key: str) -> tuple[bytes | None, int]:
    """A shared value and its version, unless its time is over."""
    return session.execute(_LOAD, (session.space, "value", key, session.wall_us())).fetchone() or (None, 0)


def save_value(session: Session, key: str, value: bytes | None, version: int, ttl_s: float | None = None) -> bool:
    """Store a shared value, if its version is still this one."""
    if load_value(session, key)[1] != version:
        return False
    if value is not None:
        store(session, "value", key, value, None if ttl_s is None else session.wall_us() + round(ttl_s * US_PER_S))
    else:
        session.execute("DELETE FROM value WHERE version = ?", (version,))
    return True


def find_values(session: Session, prefix: str) -> dict[str, bytes]:
    """The shared values below a prefix."""
    return {key: value for key, value in load(session, "value").items() if key.startswith(prefix)}


def report(session: Session, facts: WorkerFacts | None, counts: Mapping[str, TaskCounts]) -> None:
    """Store what a worker says, and add its counters."""
    if facts is not None:
        store(session, "worker", facts.owner, encode_fields(facts), facts.beat + WORKER_SILENCE_S * US_PER_S)
    for task, more in counts.items():
        row = session.execute(_LOAD, (session.space, "counts", task, 0)).fetchone()
        total: TaskCounts = restore(row[0], TaskCounts) if row else TaskCounts()
        total.add(more)
        store(session, "counts", task, encode_fields(total))


def forget_worker(session: Session, owner: str) -> None:
    """Drop what a worker said."""
    session.execute("DELETE FROM value WHERE space = ? AND kind = 'worker' AND key = ?", (session.space, owner))


def workers(session: Session) -> list[WorkerFacts]:
    """The reports that are fresh."""
    return [restore(facts, WorkerFacts) for facts in load(session, "worker").values()]


def counts(session: Session) -> dict[str, TaskCounts]:
    """The counters by task name."""
    return {task: restore(total, TaskCounts) for task, total in load(session, "counts").items()}
