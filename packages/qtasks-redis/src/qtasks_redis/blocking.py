"""The transport of the sync face: its coroutines never suspend, they block the calling thread.

Every thread of every process has connections of its own, so a fork shares none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from qtasks.errors import BackendUnavailableError
from redis import connection as redis_connection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from qtasks_redis.connections import REPLIES, Command, Link, pack
from qtasks_redis.errors import translate
from qtasks_redis.location import Location
from qtasks_redis.push import Listener
from qtasks_redis.settings import CONNECT_TIMEOUT_S, PUSH_CHECK_S
from qtasks_redis.topology import Finder
from qtasks_redis.transport import Session, Transport


class BlockingLink(Link):
    """A connection of one thread."""

    def __init__(self, connection: redis_connection.AbstractConnection) -> None:
        self._connection: Any = connection  # its methods have no types
        self.used = time.monotonic()

    @property
    def is_open(self) -> bool:
        """False once it is broken or closed."""
        return bool(self._connection.is_connected)

    async def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for."""
        try:
            return not self._connection.can_read(0)
        except (RedisError, OSError):
            return False

    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies."""
        deadline = time.monotonic() + timeout_s
        try:
            await self.send(*commands)
            replies = [self._reply(deadline) for _ in commands]
        except BaseException:  # the replies would be taken for those of the next call
            await self.close()
            raise
        self.used = time.monotonic()
        return replies

    async def send(self, *commands: Command) -> None:
        """Send commands."""
        self._connection.send_packed_command([pack(commands)], check_health=False)

    def _reply(self, deadline: float) -> Any:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        try:
            return self._connection.read_response(disable_decoding=True, disconnect_on_error=False, timeout=left_s)
        except REPLIES as error:
            return error

    async def read(self, timeout_s: float) -> Any:
        """Wait for a pushed message; None when time is up."""
        try:
            push = self._connection.read_response(disable_decoding=True, disconnect_on_error=False, timeout=timeout_s)
        except RedisTimeoutError:
            return None
        self.used = time.monotonic()
        return push

    async def close(self) -> None:
        """Close it."""
        self._connection.disconnect()


class BlockingTransport(Transport):
    """The way to a server from plain functions, in any thread."""

    def __init__(self, location: Location, namespace_channel: str, call_timeout_s: float = 5.0) -> None:
        super().__init__(location, namespace_channel, call_timeout_s)
        self._local = threading.local()
        self._sessions: WeakSet[Session] = WeakSet()
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Close the connections of all threads of this process; their next calls open new ones."""
        with self._lock:
            sessions = [session for session in self._sessions if session.pid == os.getpid()]
        for session in sessions:
            await session.close()

    async def subscribe(self) -> None:
        """Make sure that messages reach our channel from now on."""
        await self._subscribed(self._session(), time.monotonic() + self._call_timeout_s)

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None or session.pid != os.getpid():
            session = self._local.session = Session(Finder(self.location, self._connect), self._new_channel())
            with self._lock:
                self._sessions.add(session)
        return session

    async def _connect(self, class_name: str, arguments: dict[str, Any], timeout_s: float) -> Link:
        timeouts = {"socket_connect_timeout": timeout_s, "socket_timeout": timeout_s}
        kind = getattr(redis_connection, class_name)
        connection = kind(**arguments | timeouts, retry=Retry(NoBackoff(), 0))
        connection.connect()
        return BlockingLink(connection)

    async def _pause(self, pause_s: float) -> None:
        time.sleep(pause_s)  # noqa: ASYNC251 - nothing suspends here

    async def _subscribed(self, session: Session, deadline: float) -> Link:
        """The link for pushed messages, alive; what has come is handed out."""
        link = session.push
        if link is not None and link.is_open:
            try:
                if link.used < time.monotonic() - PUSH_CHECK_S:
                    await link.send(("PING",))
                    await _receive(session, link, CONNECT_TIMEOUT_S)
                with contextlib.suppress(TimeoutError):
                    while True:
                        await _receive(session, link, 0)
                return link
            except (RedisError, OSError):
                await _lose(session, link)
        link = await self._found(session, deadline)
        try:
            await link.send(("SUBSCRIBE", self._namespace_channel, session.channel))
            for _ in range(2):
                await _receive(session, link, CONNECT_TIMEOUT_S)
        except (RedisError, OSError) as error:
            await link.close()
            raise translate(error, self.location.redacted) from error
        session.push = link
        session.subscriptions.stir()
        return link

    async def _await_push(self, session: Session, listener: Listener, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not listener.waiting and (left_s := deadline - time.monotonic()) > 0:
            try:
                link = await self._subscribed(session, deadline)
            except BackendUnavailableError:
                return  # the caller looks again, and is told why
            if listener.waiting:
                return
            try:
                await _receive(session, link, min(left_s, PUSH_CHECK_S))
            except TimeoutError:
                continue
            except (RedisError, OSError):
                await _lose(session, link)


async def _receive(session: Session, link: Link, timeout_s: float) -> None:
    """Hand out one pushed message; raises TimeoutError when none comes."""
    push = await link.read(timeout_s)
    if push is None:
        raise TimeoutError
    session.subscriptions.receive(push)


async def _lose(session: Session, link: Link) -> None:
    """Give up a link that is broken: messages may be missing."""
    await link.close()
    session.push = None
    session.subscriptions.stir()
