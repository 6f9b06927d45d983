"""A session: one connection in use by one thread, and the transactions on it.

The functions of `queue.py`, `lease.py` and the others get a session, read and write through it and leave
in `bells` whom to wake; they neither begin nor end transactions, and wait for nothing. A lock that another
process holds is an error here at once: who repeats the call, and how it waits, is in `database.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from qtasks.backends.sqlite.doorbell import Ringer
from qtasks.backends.sqlite.location import Location
from qtasks.backends.sqlite.schema import connect
from qtasks.ports import BackendContext

P = ParamSpec("P")
T = TypeVar("T")


class Session:
    """One connection with what its functions need.

    Args:
        location: which database.
        context: the namespace, the clocks and the caps.
    """

    def __init__(self, location: Location, context: BackendContext) -> None:
        self._connection = connect(location)
        self._queues: dict[str, int] = {}
        self._ringer = Ringer(location.bells)
        self.execute = self._connection.execute
        self.executemany = self._connection.executemany
        self.context = context
        self.wall_us = context.clock.wall_us
        self.monotonic_us = context.clock.monotonic_us
        self.bells: list[tuple[str, str]] = []
        """Addresses and keys to ring once the transaction is committed."""
        self.space = 0
        """The number of the namespace; 0 in a read-only database that does not have it."""
        try:
            self.space = self._find_space(context.namespace, location.mode)
        except BaseException:
            self.close()
            raise

    def _find_space(self, namespace: str, mode: str) -> int:
        if mode == "rw":
            self.execute("INSERT INTO space (name) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM space WHERE name = ?1)", (namespace,))
        row = self.execute("SELECT id FROM space WHERE name = ?", (namespace,)).fetchone()
        return row[0] if row else 0

    def queue(self, name: str) -> int:
        """The number of a queue; it is noted when it is new."""
        number = self._queues.get(name)
        if number is None:
            self.execute("INSERT INTO queue (space, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (self.space, name))
            [number] = self.execute("SELECT id FROM queue WHERE space = ? AND name = ?", (self.space, name)).fetchone()
            self._queues[name] = number
        return number

    def read(self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that only reads."""
        return work(self, *args, **kwargs)

    def write(self, work: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a transaction of its own: all of it is written, or nothing; then ring the bells."""
        # IMMEDIATE: a transaction that begins by reading cannot become a writer once another one wrote.
        self.execute("BEGIN IMMEDIATE")
        try:
            answer = work(self, *args, **kwargs)
            self.execute("COMMIT")
        except BaseException:
            self.bells.clear()
            self._queues.clear()  # their rows may be gone with the transaction
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
            raise
        if self.bells:
            self._ring()
        return answer

    def _ring(self) -> None:
        keys: dict[str, list[str]] = {}
        for address, key in self.bells:
            keys.setdefault(address, []).append(key)
        self.bells.clear()
        for address in keys:
            self._ringer.ring(address, keys[address])

    def close(self) -> None:
        """Free the connection and the sockets."""
        self._ringer.close()
        self._connection.close()
