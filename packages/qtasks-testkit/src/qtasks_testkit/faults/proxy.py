"""A TCP proxy between a client and its server that fails on request, as networks do.

It runs in a thread of its own, on an event loop of its own. Every method returns when its effect is in place. What it
passes on it does not understand: it knows bytes, not the protocol in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self
from urllib.parse import urlsplit

import attrs

_CALL_S = 5.0
"""How long the loop of the proxy may take for a change, seconds."""

_CHUNK = 1 << 16
_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing a socket with this setting sends RST in place of FIN."""


@attrs.define(eq=False)
class _Link:
    """One client with its connection to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    black: bool = False
    drops_reply: bool = False

    def reset(self) -> None:
        """Close both sides at once, the client's with RST."""
        sock: socket.socket = self.client.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.client.transport.abort()
        self.server.transport.abort()


@attrs.define(eq=False)
class _Drop:
    """The wish that one reply gets lost."""

    request: bytes
    nth: int
    dropped: threading.Event = attrs.Factory(threading.Event)


class FaultProxy:
    """Passes on what a client and its server say, until it is told to fail; a context manager.

    Args:
        url: of the server; with a host and a port.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._moving = asyncio.Event()
        self._moving.set()
        self._latency_s = 0.0
        self._black = False
        self._drop: _Drop | None = None
        self.port = 0
        self.accepted = 0
        """How many connections were accepted so far."""

    @property
    def url(self) -> str:
        """The server's URL, by way of the proxy."""
        account, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{account}{at}127.0.0.1:{self.port}").geturl()

    def freeze(self) -> None:
        """Hold back whatever anybody says, until `heal`: connections stay open, new ones are accepted."""
        self._do(self._moving.clear)

    def blackhole(self) -> None:
        """Lose whatever anybody says, until `heal`; the connections of that time stay lost for ever: half-open."""
        self._do(self._blacken)

    def delay(self, seconds: float) -> None:
        """Hold back each piece of data for so many seconds, in both directions, until `heal`."""
        self._latency_s = seconds

    def reset(self) -> None:
        """Reset (RST) all connections, once; new ones are as good as ever."""
        self._do(self._reset)

    def refuse(self) -> None:
        """Reset all connections, and refuse new ones until `heal`: the server is down."""
        self._do(self._refuse)

    def drop_reply(self, request: bytes = b"", nth: int = 1) -> threading.Event:
        """Let one request reach the server, and reset the connection when the reply to it comes.

        Args:
            request: bytes that the request contains; a request is what a client sends in one piece.
            nth: which of those that contain them, from now on, counted from 1.

        Returns:
            an event that is set when the reply was dropped.
        """
        self._drop = _Drop(request, nth)
        return self._drop.dropped

    def heal(self) -> None:
        """Be a good network again."""
        self._latency_s, self._black, self._drop = 0.0, False, None
        self._do(self._moving.set)
        self._call(self._listen())

    def _blacken(self) -> None:
        self._black = True
        for link in self._links:
            link.black = True

    def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._reset()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            from_server, to_server = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:  # the server is down: the client hears of it as it would without the proxy
            to_client.transport.abort()
            return
        link = _Link(to_client, to_server, black=self._black)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(from_client, link))
                both.create_task(self._replies(from_server, link))
        except* OSError:  # one side is gone: so is the other
            pass
        finally:
            self._links.discard(link)
            to_client.close()
            to_server.close()

    async def _requests(self, source: asyncio.StreamReader, link: _Link) -> None:
        while data := await source.read(_CHUNK):
            await self._pass()
            if link.black:
                continue
            drop = self._drop
            if drop is not None and drop.request in data:
                drop.nth -= 1
                link.drops_reply |= drop.nth == 0
            link.server.write(data)
            await link.server.drain()
        link.server.close()

    async def _replies(self, source: asyncio.StreamReader, link: _Link) -> None:
        while data := await source.read(_CHUNK):
            await self._pass()
            if link.black:
                continue
            if link.drops_reply and self._drop is not None:
                link.reset()
                self._drop.dropped.set()
                self._drop = None
                return
            link.client.write(data)
            await link.client.drain()
        link.client.close()

    async def _pass(self) -> None:
        """Wait as long as the network makes everybody wait."""
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        await self._moving.wait()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_S)

    def _do(self, change: Callable[[], None]) -> None:
        async def do() -> None:
            change()

        self._call(do())

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._refuse()
        self._moving.set()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        if serving:
            await asyncio.wait(serving)  # each ends by itself: both of its sides are closed
