"""The transport of the sync face: its coroutines never suspend, they block the calling thread.

Every thread of every process has connections of its own, so a fork shares none.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from qtasks.errors import BackendUnavailableError

from qtasks_redis.connections import Command, Link, encryption, new_reader, pack, set_options
from qtasks_redis.errors import RefusedError, WireError, translate
from qtasks_redis.location import Location, Node
from qtasks_redis.push import Listener
from qtasks_redis.settings import CONNECT_TIMEOUT_S, PUSH_CHECK_S, READ_BYTES
from qtasks_redis.topology import Finder
from qtasks_redis.transport import Session, Transport

SHORTEST_S = 0.001
"""A time-out of 0 would mean that nothing is waited for, not even what the system has begun to hand over."""


class BlockingLink(Link):
    """A connection of one thread. Its socket never blocks by itself: time-outs of sockets cost four more system calls.

    Args:
        sock: a connected socket, perhaps encrypted.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.used = time.monotonic()
        self._socket = sock
        self._reader = new_reader()
        self._decrypted: Callable[[], int] = getattr(sock, "pending", int)

    @property
    def is_open(self) -> bool:
        """False once it is broken or closed."""
        return self._socket.fileno() >= 0

    def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for."""
        try:
            return not _is_ready(self._socket, 0.0) and not self._reader.has_data()
        except ConnectionError:
            return False

    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies."""
        deadline = time.monotonic() + timeout_s
        replies: list[Any] = []
        self.heard = replies
        try:
            self._send(pack(commands), deadline)
            while len(replies) < len(commands):
                replies.append(self._reply(deadline))
        except BaseException:  # the replies would be taken for those of the next call
            self.close()
            raise
        self.used = time.monotonic()
        return replies

    def send(self, *commands: Command) -> None:
        """Send commands."""
        self._send(pack(commands), time.monotonic() + CONNECT_TIMEOUT_S)

    def read(self, timeout_s: float) -> Any:
        """Wait for a pushed message; None when time is up. In no time at all, what has come already."""
        if timeout_s <= 0 and self.is_clean():
            return None
        try:
            push = self._reply(time.monotonic() + max(timeout_s, SHORTEST_S))
        except TimeoutError:
            return None
        self.used = time.monotonic()
        return push

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except ssl.SSLWantReadError:
                _wait(self._socket, deadline)
            except (BlockingIOError, ssl.SSLWantWriteError):
                _wait(self._socket, deadline, writing=True)

    def _reply(self, deadline: float) -> Any:
        while (reply := self._reader.gets()) is False:
            if not self._decrypted():
                _wait(self._socket, deadline)
            try:
                data = self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):  # too little to decrypt any of it
                continue
            except ssl.SSLWantWriteError:
                _wait(self._socket, deadline, writing=True)
                continue
            if not data:
                raise ConnectionError("the server has closed the connection")
            self._reader.feed(data)
        return reply

    def close(self) -> None:
        """Close it, also under a thread that waits for it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __del__(self) -> None:
        self._socket.close()  # of a thread that has ended; in a child after a fork, its parent goes on using it


class BlockingTransport(Transport[Session]):
    """The way to a server from plain functions, in any thread."""

    def __init__(self, location: Location, namespace_channel: str, call_timeout_s: float = 5.0) -> None:
        super().__init__(location, namespace_channel, call_timeout_s)
        self._local = threading.local()
        self._sessions: WeakValueDictionary[int, Session] = WeakValueDictionary()  # a lock might be held at a fork

    async def close(self) -> None:
        """Close the connections of all threads of this process; their next calls open new ones."""
        for ref in self._sessions.valuerefs():
            session = ref()
            if session is not None and session.pid == os.getpid():
                session.close()

    async def subscribe(self) -> None:
        """Make sure that messages reach our channel from now on."""
        await self._subscribed(self._session(), time.monotonic() + self._call_timeout_s)

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None or session.closed or session.pid != os.getpid():
            session = self._local.session = Session(Finder(self.location, self._connect), self._new_channel())
            self._sessions[id(session)] = session
        return session

    async def _connect(self, node: Node, timeout_s: float) -> Link:
        if node.port:
            sock = socket.create_connection((node.host, node.port), timeout_s)
        else:
            sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout_s)
            if node.port:
                set_options(sock)
            else:
                sock.connect(node.host)
            if context := encryption(self.location):
                sock = context.wrap_socket(sock, server_hostname=node.host)
        except BaseException:
            sock.close()
            raise
        return BlockingLink(sock)

    async def _pause(self, pause_s: float) -> None:
        time.sleep(pause_s)  # noqa: ASYNC251 - nothing suspends here

    async def _subscribed(self, session: Session, deadline: float) -> BlockingLink:
        """The link for pushed messages, alive; what has come is handed out."""
        link = session.push
        if isinstance(link, BlockingLink) and link.is_open:
            try:
                if link.used < time.monotonic() - PUSH_CHECK_S:
                    link.send(("PING",))
                    _must_receive(session, link)
                while _receive(session, link, 0):
                    pass
                return link
            except (WireError, OSError):
                _lose(session, link)
        link = await self._found(session, deadline)
        assert isinstance(link, BlockingLink)
        try:
            link.send(("SUBSCRIBE", self._namespace_channel, session.channel))
            for _ in range(2):
                _must_receive(session, link)
        except (WireError, OSError) as error:
            link.close()
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
                _receive(session, link, min(left_s, PUSH_CHECK_S))
            except (WireError, OSError):
                _lose(session, link)


def _receive(session: Session, link: BlockingLink, timeout_s: float) -> bool:
    """Hand out one pushed message; False when none comes."""
    push = link.read(timeout_s)
    if isinstance(push, RefusedError):
        raise push
    if push is not None:
        session.subscriptions.receive(push)
    return push is not None


def _must_receive(session: Session, link: BlockingLink) -> None:
    if not _receive(session, link, CONNECT_TIMEOUT_S):
        raise TimeoutError


def _lose(session: Session, link: BlockingLink) -> None:
    """Give up a link that is broken: messages may be missing."""
    link.close()
    session.push = None
    session.subscriptions.stir()


def _wait(sock: socket.socket, deadline: float, *, writing: bool = False) -> None:
    left_s = deadline - time.monotonic()
    if left_s <= 0 or not _is_ready(sock, left_s, writing=writing):
        raise TimeoutError


def _is_ready(sock: socket.socket, wait_s: float, *, writing: bool = False) -> bool:
    """Whether a socket can be read, or written, within some seconds.

    Raises:
        ConnectionError: another thread has closed it.
    """
    try:
        if not hasattr(select, "poll"):  # Windows
            return any(select.select([] if writing else [sock], [sock] if writing else [], [], wait_s))
        poll = select.poll()  # a new one each time: the handler of a signal may wait within a wait
        poll.register(sock, select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(wait_s * 1000))
    except ValueError:  # it has no number any more
        raise ConnectionError("the connection was closed") from None
