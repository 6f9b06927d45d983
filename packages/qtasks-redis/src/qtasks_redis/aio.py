"""The transport on an event loop: a few connections for calls, and one with a task that reads what is pushed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from qtasks.errors import BackendError, BackendUnavailableError

from qtasks_redis.connections import Command, Link, encryption, new_reader, pack, set_options
from qtasks_redis.errors import RefusedError, WireError, translate
from qtasks_redis.location import Location, Node
from qtasks_redis.push import Listener
from qtasks_redis.settings import POOL_SIZE, PUSH_CHECK_S, RECONNECT_S
from qtasks_redis.topology import Finder
from qtasks_redis.transport import Session, Transport

_log = logging.getLogger("qtasks.redis")


class AioLink(Link, asyncio.Protocol):
    """A connection of the running loop."""

    def __init__(self) -> None:
        self.used = time.monotonic()
        self._transport: Any = None
        self._reader = new_reader()
        self.heard = self._replies = deque[Any]()
        self._failure: Exception | None = None
        self._heard: Callable[[Any], None] = self._replies.append
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read what has come, and wake who waits for it."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._heard(reply)
        except WireError as error:
            self.fail(error)
        if self._waiter is not None and len(self._replies) >= self._wanted:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed, by whomever."""
        self.fail(error if isinstance(error, OSError) else ConnectionError("the connection was closed"))

    # What we ask.

    @property
    def is_open(self) -> bool:
        """False once it is broken or closed."""
        return self._failure is None

    def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for."""
        return self._failure is None and not self._replies and not self._transport.is_closing()

    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies."""
        self.send(*commands)
        try:
            await self.wait(len(commands), timeout_s)
        except BaseException:  # also when cancelled: the replies would be taken for those of the next caller
            self.close()
            raise
        self.used = time.monotonic()
        return [self._replies.popleft() for _ in commands]

    def send(self, *commands: Command) -> None:
        """Send commands."""
        if self._failure is not None or self._transport.is_closing():
            raise self._failure or ConnectionError("the connection was closed")
        self._transport.write(pack(commands))

    def hear(self, heard: Callable[[Any], None]) -> None:
        """Call a function with each reply from now on, at once."""
        self._heard = heard

    async def wait(self, replies: int, timeout_s: float) -> None:
        """Wait until so many replies have come.

        Raises:
            WireError: what came is no reply.
            OSError: the connection broke, or time was up.
        """
        if len(self._replies) < replies and self._failure is None:
            loop = asyncio.get_running_loop()
            self._wanted, self._waiter = replies, loop.create_future()
            timer = loop.call_later(timeout_s, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if len(self._replies) < replies:
            raise self._failure or TimeoutError

    def close(self) -> None:
        """Close it."""
        self.fail(ConnectionError("the connection was closed"))

    def fail(self, error: Exception) -> None:
        """Close it for a reason, which is raised where somebody waits."""
        if self._failure is None:
            self._failure = error
            self._transport.abort()
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
        self.closer: AsyncGenerator[None] | None = None
        self.failure: BackendError | None = None
        """Why the channel is not subscribed; None when it is."""


class AioTransport(Transport[_AioSession]):
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
        if session.closer is not None:
            await session.closer.aclose()

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
            for ref in self._sessions.keyrefs():  # a session holds its loop, so those that were not closed would stay
                if (old := ref()) is not None and old.is_closed():
                    del self._sessions[old]
            finder = Finder(self.location, self._connect)
            session = self._sessions[loop] = _AioSession(finder, self._new_channel())
        return session

    async def _connect(self, node: Node, timeout_s: float) -> Link:
        loop, context = asyncio.get_running_loop(), encryption(self.location)
        async with asyncio.timeout(timeout_s):
            if node.port == 0:
                _, link = await loop.create_unix_connection(AioLink, node.host)
            else:
                name = node.host if context else None
                transport, link = await loop.create_connection(
                    AioLink, node.host, node.port, ssl=context, server_hostname=name
                )
                set_options(transport.get_extra_info("socket"))
        return link

    async def _take(self, session: _AioSession, deadline: float) -> Link:
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

    def _give_back(self, session: _AioSession, link: Link) -> None:
        super()._give_back(session, link)
        session.turns.release()

    async def _found(self, session: _AioSession, deadline: float) -> Link:
        if session.closer is None:
            session.closer = _close_with_the_loop(session)
            await anext(session.closer)
        async with self._until(session, deadline), session.connecting:
            return await super()._found(session, deadline)

    @contextlib.asynccontextmanager
    async def _until(self, session: _AioSession, deadline: float) -> AsyncIterator[None]:
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
                assert isinstance(link, AioLink)
                try:
                    await self._stay_subscribed(session, link)
                finally:
                    link.close()
            except (BackendError, WireError, OSError) as error:
                known, session.failure = session.failure, translate(error, self.location.redacted)
                if known is None:  # the first of a row
                    _log.warning("The connection that hears of news is lost, and is tried again: %s", session.failure)
                if not isinstance(session.failure, BackendUnavailableError):  # those who wait need not wait longer
                    session.subscribed.set()
            session.subscribed.clear()
            session.subscriptions.stir()
            await asyncio.sleep(begun + RECONNECT_S - time.monotonic())

    async def _stay_subscribed(self, session: _AioSession, link: AioLink) -> None:
        """Hand out what comes, at once, until the link breaks or does not answer a PING any more."""
        heard = 0

        def hear(push: Any) -> None:
            nonlocal heard
            heard += 1
            if isinstance(push, RefusedError):
                link.fail(push)
            elif push[0] == b"subscribe" and push[1] == session.channel.encode():
                session.failure = None
                session.subscribed.set()
                session.subscriptions.stir()
            else:
                session.subscriptions.receive(push)

        link.hear(hear)
        link.send(("SUBSCRIBE", self._namespace_channel, session.channel))
        while True:
            before = heard
            with contextlib.suppress(TimeoutError):
                await link.wait(1, PUSH_CHECK_S)
            if heard == before:
                link.send(("PING",))
                with contextlib.suppress(TimeoutError):
                    await link.wait(1, PUSH_CHECK_S)
                if heard == before:
                    raise BackendUnavailableError("no answer to a PING")

    async def _await_push(self, session: _AioSession, listener: Listener, timeout_s: float) -> None:
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


async def _close_with_the_loop(session: Session) -> AsyncGenerator[None]:
    """Closes what a program leaves open: `asyncio.run` ends each generator that has begun before it closes its loop."""
    try:
        yield
    finally:
        session.close()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
