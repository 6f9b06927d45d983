"""The transport on an event loop: a few connections for calls, and one with a task that reads what is pushed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from qtasks.errors import BackendError, BackendUnavailableError
from redis.asyncio import connection as redis_connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from qtasks_redis.connections import REPLIES, Command, Link, pack
from qtasks_redis.errors import translate
from qtasks_redis.location import Location
from qtasks_redis.push import Listener
from qtasks_redis.settings import POOL_SIZE, PUSH_CHECK_S, RECONNECT_S
from qtasks_redis.topology import Finder
from qtasks_redis.transport import Session, Transport

_log = logging.getLogger("qtasks.redis")


LOST = (RuntimeError, AttributeError)
"""How uvloop, and asyncio of Python 3.12.1, tell who writes that the connection has been lost."""


class AioLink(Link):
    """A connection of the running loop."""

    def __init__(self, connection: redis_connection.AbstractConnection) -> None:
        self._connection: Any = connection  # not all of its methods have types
        self.used = time.monotonic()

    @property
    def is_open(self) -> bool:
        """False once it is broken or closed."""
        return bool(self._connection.is_connected)

    async def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for."""
        try:
            return not await self._connection.can_read()
        except (RedisError, OSError):
            return False

    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.send(*commands)
                replies = [await self._reply() for _ in commands]
        except BaseException:  # also when cancelled: the replies would be taken for those of the next caller
            await self.close()
            raise
        self.used = time.monotonic()
        return replies

    async def send(self, *commands: Command) -> None:
        """Send commands."""
        try:
            await self._connection.send_packed_command(pack(commands), check_health=False)
        except LOST as error:
            raise ConnectionError(str(error)) from error

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except REPLIES as error:
            return error

    async def read(self, timeout_s: float) -> Any:
        """Wait for a pushed message; None when time is up."""
        return await self._connection.read_response(disable_decoding=True, disconnect_on_error=False, timeout=timeout_s)

    async def close(self) -> None:
        """Close it."""
        await self._connection.disconnect(nowait=True)


class _AioSession(Session):
    """The session of one loop.

    Args:
        finder: finds the server.
        channel: the name of its channel.
    """

    def __init__(self, finder: Finder, channel: str) -> None:
        super().__init__(finder, channel)
        self.turns = asyncio.Semaphore(POOL_SIZE)
        self.connecting = asyncio.Lock()
        self.subscribed = asyncio.Event()
        self.keeper: asyncio.Task[None] | None = None
        self.failure: BackendError | None = None
        """Why the channel is not subscribed; None when it is."""


class AioTransport(Transport):
    """The way to a server from coroutines on an event loop."""

    def __init__(self, location: Location, namespace_channel: str, call_timeout_s: float = 5.0) -> None:
        super().__init__(location, namespace_channel, call_timeout_s)
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _AioSession] = WeakKeyDictionary()

    async def close(self) -> None:
        """Close the connections of the running loop; the next call opens new ones."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is None:
            return
        if session.keeper is not None:
            session.keeper.cancel()
            await asyncio.wait([session.keeper])
        await session.close()

    @property
    def channel(self) -> str:
        """Where this loop is pushed messages, once `subscribe` has returned."""
        return self._kept(self._session()).channel

    async def subscribe(self) -> None:
        """Make sure that messages reach our channel from now on."""
        session = self._kept(self._session())
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await session.subscribed.wait()
        except TimeoutError as error:
            raise session.failure or translate(error, self.location.redacted) from error
        if session.failure is not None:
            raise session.failure

    def _session(self) -> _AioSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.pid != os.getpid():
            finder = Finder(self.location, self._connect)
            session = self._sessions[loop] = _AioSession(finder, self._new_channel())
        return session

    async def _connect(self, class_name: str, arguments: dict[str, Any], timeout_s: float) -> Link:
        # It has no time-out of its own for reading: that of the call is around it.
        connection = getattr(redis_connection, class_name)(
            **arguments, socket_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        try:
            async with asyncio.timeout(timeout_s):
                await connection.connect()
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, LOST):  # as in `AioLink.send`: lost while the connection introduced itself
                raise ConnectionError(str(error)) from error
            raise
        return AioLink(connection)

    async def _take(self, session: Session, deadline: float) -> Link:
        assert isinstance(session, _AioSession)
        if session.turns.locked():  # otherwise acquiring does not wait
            async with self._until(session, deadline):
                await session.turns.acquire()
        else:
            await session.turns.acquire()
        try:
            return await super()._take(session, deadline)
        except BaseException:
            session.turns.release()
            raise

    def _give_back(self, session: Session, link: Link) -> None:
        assert isinstance(session, _AioSession)
        super()._give_back(session, link)
        session.turns.release()

    async def _found(self, session: Session, deadline: float) -> Link:
        assert isinstance(session, _AioSession)
        async with self._until(session, deadline), session.connecting:
            return await super()._found(session, deadline)

    @contextlib.asynccontextmanager
    async def _until(self, session: Session, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                yield
        except TimeoutError as error:
            raise session.pace.error or translate(error, self.location.redacted) from error

    async def _pause(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)

    def _kept(self, session: _AioSession) -> _AioSession:
        """A session whose channel is, and stays, subscribed."""
        if session.keeper is None:
            session.keeper = asyncio.create_task(self._keep_subscribed(session), name="qtasks-redis-push")
        return session

    async def _keep_subscribed(self, session: _AioSession) -> None:
        while True:
            begun = time.monotonic()
            try:
                link = session.push = await self._found(session, begun + self._call_timeout_s)
                try:
                    await self._read_pushes(session, link)
                finally:
                    await link.close()
            except (BackendError, RedisError, OSError) as error:
                session.failure = translate(error, self.location.redacted)
                _log.debug("Not subscribed: %s", session.failure)
                if not isinstance(session.failure, BackendUnavailableError):  # those who wait need not wait longer
                    session.subscribed.set()
            session.subscribed.clear()
            session.subscriptions.stir()
            await asyncio.sleep(begun + RECONNECT_S - time.monotonic())

    async def _read_pushes(self, session: _AioSession, link: Link) -> None:
        """Hand out what comes, until the link breaks or does not answer a PING any more."""
        await link.send(("SUBSCRIBE", self._namespace_channel, session.channel))
        asked = False
        while True:
            push = await link.read(PUSH_CHECK_S)
            if push is None:
                if asked:
                    raise BackendUnavailableError("no answer to a PING")
                await link.send(("PING",))
            asked = push is None
            if push and push[0] == b"subscribe" and push[1] == session.channel.encode():
                session.failure = None
                session.subscribed.set()
                session.subscriptions.stir()
            elif push:
                session.subscriptions.receive(push)

    async def _await_push(self, session: Session, listener: Listener, timeout_s: float) -> None:
        assert isinstance(session, _AioSession)
        self._kept(session)
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        listener.wake = functools.partial(_wake, woken)
        timer = loop.call_later(timeout_s, listener.wake)
        try:
            await woken
        finally:
            timer.cancel()
            listener.wake = None


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
