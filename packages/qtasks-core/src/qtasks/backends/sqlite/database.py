"""A database in this process: its sessions, how its callers wait, and the methods made of functions.

Whoever finds the database locked pauses for a moment and calls again. That keeps the blocking and the
asynchronous face the same but for how they wait, and an asynchronous call can be cancelled only while it
pauses, when nothing was done. Measured against a thread that waits in SQLite's own busy handler: the same
throughput, and fair shares for several processes instead of starvation (`docs/explanation/performance.md`).
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

from qtasks.backends.sqlite import errors
from qtasks.backends.sqlite.doorbell import Doorbell
from qtasks.backends.sqlite.location import Location
from qtasks.backends.sqlite.session import Session
from qtasks.ports import BackendContext, Component

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PAUSE_S = 0.005
"""Nobody pauses longer before the next attempt on a locked database."""


class Waiting(Protocol):
    """How a face waits: by blocking its thread, or by suspending its coroutine."""

    def address(self) -> str:
        """Where the caller can be rung."""

    async def pause(self, pause_s: float) -> None:
        """Let some time pass."""

    async def heard(self, key: str, timeout_s: float) -> bool:
        """Wait until a key is rung; False when time is up."""

    def close(self) -> None:
        """Free the doorbells."""


class ThreadWaiting:
    """Waits by blocking the calling thread; each thread has a doorbell of its own."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._bells: dict[tuple[int, int], Doorbell] = {}

    def _bell(self) -> Doorbell:
        key = _here()
        if key not in self._bells:
            self._bells[key] = Doorbell(self._directory)
        return self._bells[key]

    def address(self) -> str:
        """The calling thread's."""
        return self._bell().address

    async def pause(self, pause_s: float) -> None:
        """Sleep."""
        time.sleep(pause_s)  # noqa: ASYNC251 - the blocking face never suspends

    async def heard(self, key: str, timeout_s: float) -> bool:
        """Listen until the key is rung."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            keys = self._bell().heard(left_s)
            if keys is None or key in keys:
                return True
        return False

    def close(self) -> None:
        """Free the doorbells of all threads."""
        for key in [key for key in self._bells if key[0] == os.getpid()]:
            self._bells.pop(key).close()


class Database:
    """One database file and namespace in this process: what its broker, storage and global config share.

    Args:
        location: which file.
        context: the namespace, the clocks and the caps.
    """

    _all: WeakValueDictionary[tuple[Location, BackendContext], Database] = WeakValueDictionary()

    def __init__(self, location: Location, context: BackendContext) -> None:
        self.location = location
        self.namespace = context.namespace
        self._context = context
        self._sessions: dict[tuple[int, int], Session] = {}
        self._waitings: dict[bool, Waiting] = {}
        self._users = 0

    @classmethod
    def at(cls, location: Location, context: BackendContext) -> Self:
        """The database of a place and a context: the same object for all who ask."""
        return cls._all.setdefault((location, context), cls(location, context))

    def session(self) -> Session:
        """The session of the calling thread: none is ever shared, with a thread or through a fork."""
        key = _here()
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(self.location, self._context)
        return session

    def waiting(self, *, blocks: bool) -> Waiting:
        """How a face waits: the blocking one, or the one of event loops."""
        if blocks not in self._waitings:
            self._waitings[blocks] = ThreadWaiting(self.location.bells) if blocks else self._loop_waiting()
        return self._waitings[blocks]

    def _loop_waiting(self) -> Waiting:
        from qtasks.backends.sqlite.loop import LoopWaiting  # programs without an event loop do without asyncio

        return LoopWaiting(self.location.bells)

    def acquire(self) -> None:
        """Note one more user."""
        self._users += 1

    def release(self) -> None:
        """Note that a user has gone; the last one closes everything that this process has opened."""
        self._users -= 1
        if self._users == 0:
            for waiting in self._waitings.values():
                waiting.close()
            for key in [key for key in self._sessions if key[0] == os.getpid()]:
                self._sessions.pop(key).close()


def _here() -> tuple[int, int]:
    """The process and the thread: what was inherited through a fork is under another key, and stays untouched."""
    return os.getpid(), threading.get_ident()


class SqliteComponent(Component):
    """What broker, storage and global config have in common.

    Args:
        database: what they share.
        blocks: True for the view whose coroutines never suspend.
    """

    call_timeout_s: float = 5.0

    def __init__(self, database: Database, *, blocks: bool = False) -> None:
        self.database = database
        self._blocks = blocks
        self._is_open = False

    @classmethod
    def from_url(cls, url: str, context: BackendContext) -> Self:
        """Make the component for `sqlite:///path`; nothing is opened yet."""
        return cls(Database.at(Location.from_url(url), context))

    def blocking(self) -> Self:
        """The same database; every call blocks its thread instead of suspending."""
        return type(self)(self.database, blocks=True)

    @property
    def url(self) -> str:
        """The URL with the absolute path."""
        return self.database.location.url

    async def open(self) -> None:
        """Open the database, and make it where it is missing."""
        if not self._is_open:
            await self._call(Session.read, lambda session: session.space)
            self._is_open = True
            self.database.acquire()

    async def close(self) -> None:
        """Close what is open, unless another component of this process uses it."""
        if self._is_open:
            self._is_open = False
            self.database.release()

    @property
    def _waiting(self) -> Waiting:
        return self.database.waiting(blocks=self._blocks)

    async def _call(self, how: Callable[..., T], work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> T:
        """Call a function in a session; when the database is locked, again and again while time is left."""
        deadline = 0.0
        pause_s = 0.001
        while True:
            try:
                return how(self.database.session(), work, *args, **kwargs)
            except sqlite3.Error as error:
                now = time.monotonic()
                deadline = deadline or now + self.call_timeout_s
                if not errors.is_busy(error) or now > deadline:
                    raise errors.translate(error, self.database.location.path) from error
            await self._waiting.pause(random.uniform(0, pause_s))  # noqa: S311 - so that two do not keep colliding
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def reads(
    work: Callable[Concatenate[Session, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Make a method of a component from a function that only reads."""
    return _method(Session.read, work)


def writes(
    work: Callable[Concatenate[Session, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Make a method of a component from a function that writes, as one transaction."""
    return _method(Session.write, work)


def _method(how: Callable[..., T], work: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
    @wraps(work)
    async def run(self: SqliteComponent, *args: Any, **kwargs: Any) -> T:
        return await self._call(how, work, *args, **kwargs)

    return run
