"""Calls to the server: scripts and commands, repeated only where the server has certainly not carried them out.

One code for both kinds of callers. `aio` and `blocking` say what a connection is there, and how one waits.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from qtasks.errors import BackendError, BackendUnavailableError

from qtasks_redis.connections import Argument, Command, Link
from qtasks_redis.errors import RefusedError, WireError, translate
from qtasks_redis.location import Location, Node
from qtasks_redis.pace import Pace, retry_s
from qtasks_redis.push import Listener, Subscriptions
from qtasks_redis.script import Script
from qtasks_redis.settings import CONNECT_TIMEOUT_S, HEALTH_CHECK_S
from qtasks_redis.topology import Finder

__all__ = ["Argument", "Script", "Session", "Transport"]

_PING: Final[Command] = ("PING",)
_ASKING: Final[Command] = ("ASKING",)

_TOLD = frozenset({"NOSCRIPT", "MOVED", "ASK"})
"""What a server answers that has not carried the command out, and says what to do."""

_LATER = frozenset({"LOADING", "TRYAGAIN", "CLUSTERDOWN"})
"""What it answers that has not carried it out, and soon could."""


class Session:
    """What one loop or one thread of a process has: its connections, its channel, its listeners.

    Args:
        finder: finds the server.
        channel: the name of its channel.
    """

    def __init__(self, finder: Finder, channel: str) -> None:
        self.pid = os.getpid()
        self.finder = finder
        self.channel = channel
        self.pace = Pace()
        self.idle: list[Link] = []
        self.push: Link | None = None
        self.subscriptions = Subscriptions()
        self.closed = False

    def leave(self, moved: Node | None) -> None:
        """Use another server from now on: `moved`, or whatever is found."""
        self.finder.moved = moved
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close what is not in use."""
        while self.idle:
            self.idle.pop().close()

    def close(self) -> None:
        """Close what is not in use, and what is as soon as it is given back."""
        self.closed = True
        for link in [*self.idle, *([] if self.push is None else [self.push])]:  # in another thread it may be looked at
            link.close()


S = TypeVar("S", bound=Session)


class Transport(ABC, Generic[S]):
    """The way to one server.

    Args:
        location: which.
        namespace_channel: the channel on which every process of the namespace is pushed messages; our own channels are
            named below it.
        call_timeout_s: how long a call may take, connecting included, seconds.
    """

    def __init__(self, location: Location, namespace_channel: str, call_timeout_s: float = 5.0) -> None:
        self.location = location
        self._namespace_channel = namespace_channel
        self._call_timeout_s = call_timeout_s

    async def open(self) -> None:
        """Connect. Calls do so by themselves; this tells early what is wrong.

        Raises:
            BackendError: the server cannot be reached or used.
        """
        await self._execute([_PING], None, None)

    @abstractmethod
    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""

    async def run(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        args: Sequence[Argument],
        timeout_s: float | None = None,
        *,
        wait_durable: bool = False,
    ) -> Any:
        """Run a script.

        Args:
            script: which; the server is given its text when it does not know it.
            keys: the keys it touches, all of one slot.
            args: its arguments.
            timeout_s: how long it may take, seconds; None for the transport's `call_timeout_s`.
            wait_durable: where the URL says `durability=wait`, return only when what it wrote is on a disk, or on
                a replica where the server cannot tell about its disk.

        Returns:
            the reply: bytes, an integer, None, or a list of such.

        Raises:
            BackendError: it failed, or no answer came; then it may have run.
        """
        [reply] = await self.run_many(script, keys, [args], timeout_s, wait_durable=wait_durable)
        return reply

    async def run_many(
        self,
        script: Script,
        keys: Sequence[str | bytes],
        calls: Sequence[Sequence[Argument]],
        timeout_s: float | None = None,
        *,
        wait_durable: bool = False,
        others_first: bool = False,
    ) -> list[Any]:
        """Run a script several times in one round trip, with the same keys and the arguments of each; see `run`.

        With `others_first`, those to whom it publishes are written to before us: nobody waits for our reply as they
        wait for their news, and on few cores they would get it when we have dealt with ours (a sixth of a round trip).
        """
        if not calls:
            return []
        commands: list[Command] = [("EVALSHA", script.sha1, len(keys), *keys, *args) for args in calls]
        durable = wait_durable and self.location.durability == "wait"
        return await self._execute(commands, script, timeout_s, durable=durable, others_first=others_first)

    async def command(self, *parts: Argument, timeout_s: float | None = None) -> Any:
        """Run one plain command; see `run`."""
        [reply] = await self._execute([parts], None, timeout_s)
        return reply

    @property
    def channel(self) -> str:
        """Where this loop or thread is pushed messages, once `subscribe` has returned."""
        return self._session().channel

    @abstractmethod
    async def subscribe(self) -> None:
        """Make sure that messages reach our channel from now on.

        Raises:
            BackendError: the server cannot be reached or used.
        """

    @contextlib.contextmanager
    def listen(self, topic: bytes) -> Iterator[Listener]:
        """Listen to a topic while the context lasts: what comes is kept for `Listener.get`."""
        session = self._session()
        listener = Listener(topic, functools.partial(self._await_push, session))
        session.subscriptions.add(listener)
        try:
            yield listener
        finally:
            session.subscriptions.remove(listener)

    # What differs between the two kinds of callers.

    @abstractmethod
    def _session(self) -> S:
        """The session of the running loop or of the calling thread."""

    @abstractmethod
    async def _connect(self, node: Node, timeout_s: float) -> Link:
        """Connect to a node; see `topology.Connect`."""

    @abstractmethod
    async def _pause(self, pause_s: float) -> None:
        """Let some time pass."""

    @abstractmethod
    async def _await_push(self, session: S, listener: Listener, timeout_s: float) -> None:
        """Wait until something has come to a listener."""

    # What does not.

    def _new_channel(self) -> str:
        return f"{self._namespace_channel}:{os.urandom(8).hex()}"

    async def _execute(
        self,
        commands: list[Command],
        script: Script | None,
        timeout_s: float | None,
        *,
        durable: bool = False,
        others_first: bool = False,
    ) -> list[Any]:
        session = self._session()
        deadline = time.monotonic() + (self._call_timeout_s if timeout_s is None else timeout_s)
        replies = await self._send(session, commands, deadline, durable=durable, others_first=others_first)
        for reply in replies:
            if type(reply) is RefusedError:
                return await self._mend(session, script, commands, replies, deadline, durable=durable)
        return replies

    async def _mend(
        self,
        session: S,
        script: Script | None,
        commands: list[Command],
        replies: list[Any],
        deadline: float,
        *,
        durable: bool,
    ) -> list[Any]:
        """Send again what was refused, until nothing is; raises where that does not help, or time is up."""
        for failures in itertools.count():
            refused = {number: reply for number, reply in enumerate(replies) if isinstance(reply, RefusedError)}
            if not refused:
                break
            error = self._worst(list(refused.values()))
            pause_s = retry_s(failures) if failures or error.code not in _TOLD else 0.0
            if not self._may_repeat(error) or time.monotonic() + pause_s >= deadline:
                raise translate(error, self.location.redacted)
            await self._pause(pause_s)
            again = [commands[number] for number in refused]
            answers = await self._send_again(session, error, script, again, deadline, durable=durable)
            for number, answer in zip(refused, answers, strict=True):
                replies[number] = answer
        return replies

    async def _send_again(
        self,
        session: S,
        error: RefusedError,
        script: Script | None,
        commands: list[Command],
        deadline: float,
        *,
        durable: bool,
    ) -> list[Any]:
        """Send what was refused, where and how the refusal says."""
        load: list[Command] = []
        if script is not None and error.code in {"NOSCRIPT", "ASK"}:
            load.append(("SCRIPT", "LOAD", script.text))
        if error.code == "ASK":
            answers = await self._ask(session, _node(error, session.finder.found), [*load, *commands], deadline)
        else:
            if error.code in {"MOVED", "READONLY"}:
                session.leave(_node(error, session.finder.found) if error.code == "MOVED" else None)
            answers = await self._send(session, [*load, *commands], deadline, durable=durable)
        if load and isinstance(answers[0], RefusedError):
            raise translate(answers[0], self.location.redacted)
        return answers[len(load) :]

    async def _send(
        self, session: S, commands: list[Command], deadline: float, *, durable: bool = False, others_first: bool = False
    ) -> list[Any]:
        """Send commands once; what the server refused is among the replies."""
        link = await self._take(session, deadline)
        # The last to whom the server has begun to say something is the first it writes to: to us that is a PONG then.
        ahead = [_PING] if others_first else []
        try:
            replies = await link.request([*ahead, *commands], deadline - time.monotonic())
            del replies[: len(ahead)]  # whatever the server thinks of a PING just now
            if durable and not any(isinstance(reply, RefusedError) for reply in replies):
                await self._wait_durable(link, deadline)
        except (WireError, OSError) as error:
            raise translate(error, self.location.redacted) from error
        finally:
            self._give_back(session, link)
        return replies

    async def _ask(self, session: S, node: Node, commands: list[Command], deadline: float) -> list[Any]:
        """Send commands to a node that is just receiving our slot."""
        asked = [part for command in commands for part in (_ASKING, command)]
        try:
            link = await session.finder.visit(node, deadline)
            try:
                replies = await link.request(asked, deadline - time.monotonic())
            finally:
                link.close()
        except (WireError, OSError) as error:
            raise translate(error, self.location.redacted) from error
        return replies[1::2]

    async def _wait_durable(self, link: Link, deadline: float) -> None:
        """Wait until what this connection wrote is on the server's disk, or at a replica where it cannot say so."""
        wait_ms = max(1, int((deadline - time.monotonic()) * 900))  # the answer is to come before time is up
        [reply] = await link.request([("WAITAOF", 1, 0, wait_ms)], deadline - time.monotonic())
        if isinstance(reply, RefusedError) and "unknown command" in str(reply):  # Redis before 7.2
            [reply] = await link.request([("WAIT", 1, wait_ms)], deadline - time.monotonic())
        if isinstance(reply, Exception):
            raise translate(reply, self.location.redacted)
        if not (reply[0] if isinstance(reply, list) else reply):
            raise BackendUnavailableError(
                f"{self.location.redacted} did not confirm in time that the data is safe; the server may lose it.",
                "WAITAOF needs Redis 7.2 and appendonly; older servers need a replica. Or drop durability=wait.",
            )

    async def _take(self, session: S, deadline: float) -> Link:
        """A link that works, for one caller alone."""
        while session.idle:
            link = session.idle.pop()
            if not link.is_clean():
                link.close()
            elif link.used > time.monotonic() - HEALTH_CHECK_S or await _is_alive(link, deadline):
                return link
            else:
                session.drop_idle()  # they were not used for longer, and each would cost as much time
        return await self._found(session, deadline)

    def _give_back(self, session: S, link: Link) -> None:
        """Let the next caller have a link."""
        if session.closed:
            link.close()
        elif link.is_open:
            session.idle.append(link)

    async def _found(self, session: S, deadline: float) -> Link:
        """A new link; attempts are paced, and repeated until the deadline."""
        while True:
            pause_s = session.pace.wait_s()
            if session.pace.error is not None and time.monotonic() + pause_s >= deadline:
                raise session.pace.error
            await self._pause(pause_s)
            try:
                link = await session.finder.find(deadline)
            except BackendError as error:
                session.pace.failed(error)
                if not isinstance(error, BackendUnavailableError):
                    raise
            else:
                session.pace.succeeded()
                return link

    def _worst(self, refusals: list[RefusedError]) -> RefusedError:
        """The refusal that decides: one that cannot be mended, or else the first."""
        return next((error for error in refusals if not self._may_repeat(error)), refusals[0])

    def _may_repeat(self, error: RefusedError) -> bool:
        # A replica refuses writes for good, unless it was the master a moment ago.
        failed_over = error.code == "READONLY" and self.location.kind != "server"
        return failed_over or error.code in _TOLD or error.code in _LATER


def _node(error: RefusedError, asked: Node) -> Node:
    """Where `MOVED SLOT HOST:PORT` and `ASK SLOT HOST:PORT` point."""
    host, _, port = str(error).split()[2].rpartition(":")
    return Node(asked.host if host in {"", "?"} else host, int(port))  # it does not know its own: the one we used


async def _is_alive(link: Link, deadline: float) -> bool:
    """Whether it answers in half of the time that is left; otherwise it is closed."""
    try:
        await link.request([_PING], min(CONNECT_TIMEOUT_S, (deadline - time.monotonic()) / 2))
    except (WireError, OSError):
        return False
    return True
