"""A session: one connection in use by one thread, and the transactions on it.

The functions of `queue.py`, `lease.py` and the others get a session, read and write through it and leave
in `bells` whom to wake; they neither begin nor end transactions, and wait for nothing. A lock that another
process holds is an error here at once: who repeats the call, and how it waits, is in `database.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from qtasks.backends.sqlite.doorbell import ring
from qtasks.backends.sqlite.location import Location
from qtasks.backends.sqlite.schema import connect
from qtasks.crashpoint import crashpoint
from qtasks.ports import BackendContext

T = TypeVar("T")

_LOOK_S = 1.0
"""How long a session trusts that its file is still the one at its path."""


class Session:
    """One connection with what its functions need.

    Args:
        location: which database.
        context: the namespace, the clocks and the caps.
    """

    def __init__(self, location: Location, context: BackendContext) -> None:
        self._location = location
        self._connection = connect(location)
        self._inode = location.find_inode()
        self._looked = time.monotonic()
        self._queues: dict[str, int] = {}
        self.execute = self._connection.execute
        self.executemany = self._connection.executemany
        self.closed = False
        self.in_use = threading.Lock()
        """Held during each call: to close a connection that another thread is using would crash the process."""
        self.context = context
        self.wall_us = context.clock.wall_us
        self.monotonic_us = context.clock.monotonic_us
        self.space = 0
        """The number of the namespace; 0 while a database that may only be read does not have it."""
        self.bells: defaultdict[str, list[str]] = defaultdict(list)
        """By address the names to ring there once the transaction is committed."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.space = self._find_space(context.namespace)
            undo.pop_all()

    def _find_space(self, name: str) -> int:
        find = "SELECT id FROM space WHERE name = ?"
        if self._location.mode == "rw" and not self.execute(find, (name,)).fetchone():
            self.execute("INSERT INTO space (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        row = self.execute(find, (name,)).fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        """Close the connection, once the call under way has ended."""
        with self.in_use:
            self.closed = True
            self._connection.close()

    def is_lost(self) -> bool:
        """True when the file was removed or replaced: looked at once per `_LOOK_S`."""
        if (now := time.monotonic()) < self._looked + _LOOK_S:
            return False
        self._looked = now
        return self._location.find_inode() != self._inode

    def queue(self, name: str) -> int:
        """The number of a queue; it is noted when it is new."""
        number = self._queues.get(name)
        if number is None:
            self.execute("INSERT INTO queue (space, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (self.space, name))
            [number] = self.execute("SELECT id FROM queue WHERE space = ? AND name = ?", (self.space, name)).fetchone()
            self._queues[name] = number
        return number

    def read(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function that only reads."""
        return work(self, *args, **kwargs)

    def write(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function in a transaction: all of it is written, or nothing; then ring the bells."""
        try:
            # IMMEDIATE: a transaction that begins by reading cannot become a writer once another one wrote.
            self.execute("BEGIN IMMEDIATE")
            answer = work(self, *args, **kwargs)
            crashpoint("sqlite", work.__name__, "written")
            self.execute("COMMIT")
            crashpoint("sqlite", work.__name__, "committed")
        except BaseException:
            self.bells.clear()
            self._queues.clear()  # their rows may be gone with the transaction
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.execute("ROLLBACK")
            raise
        while self.bells:
            ring(self._location.bells, *self.bells.popitem())
        return answer
