"""A server in this process, and what its broker, storage and global config have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import attrs
from qtasks.crashpoint import crashpoint
from qtasks.errors import BackendCorruptError, BackendError, LayoutError, LeaseLostError
from qtasks.message import Envelope
from qtasks.ports import Advice, BackendContext, Component
from qtasks.types import SYSTEM_CLOCK

from qtasks_redis.advice import advise, read_info
from qtasks_redis.errors import ScriptError
from qtasks_redis.location import Location
from qtasks_redis.records import in_batches, publish_arguments
from qtasks_redis.script import Script

if TYPE_CHECKING:
    from qtasks_redis.transport import Argument, Transport

LAYOUT = 1
"""The layout of the keys, which `lua/base.lua` tells; kept in the key `layout`."""

PROMISES = 10_000
"""So many tasks are remembered whose producer may still wait for them."""

MAX_WORDS = 100
"""So many arguments of a call are looked at for the names of queues."""

script = cache(Script.load)


class Server:
    """One database and namespace in this process: its two transports, made when they are first needed.

    Args:
        location: which server and database.
        context: the namespace, the clocks and the caps.
    """

    def __init__(self, location: Location, context: BackendContext) -> None:
        self.location = location
        self.context = context
        self.prefix = f"qtasks:{{{context.namespace}}}"
        self.promised: dict[str, str] = {}
        """Tasks whose end a channel of ours is told without asking; the last of them."""
        self._transports: dict[bool, Transport[Any]] = {}

    def promise(self, task_id: str, channel: str) -> None:
        """Note that the end of a task will be pushed to a channel."""
        self.promised[task_id] = channel
        if len(self.promised) > PROMISES:
            self.promised.pop(next(iter(self.promised)), None)

    def transport(self, *, blocks: bool) -> Transport[Any]:
        """The transport of one face."""
        if blocks not in self._transports:
            settings = self.location, f"{self.prefix}:changes", self.context.call_timeout_s
            if blocks:
                from qtasks_redis.blocking import BlockingTransport

                self._transports[blocks] = BlockingTransport(*settings)
            else:
                from qtasks_redis.aio import AioTransport  # programs without an event loop do without asyncio

                self._transports[blocks] = AioTransport(*settings)
        return self._transports[blocks]


_servers: WeakValueDictionary[tuple[object, ...], Server] = WeakValueDictionary()


class RedisComponent(Component):
    """What broker, storage and global config have in common.

    Args:
        server: where everything is; those of one URL and one context share it.
        blocks: True for the view whose coroutines never suspend.
    """

    def __init__(self, server: Server, *, blocks: bool = False) -> None:
        self.server = server
        self.context = server.context
        self._blocks = blocks

    @classmethod
    def from_url(cls, url: str, context: BackendContext) -> Self:
        """Make the component for a URL of Redis; nothing is reached yet."""
        location = Location.parse(url)
        # By identity: the clock of a test need not be hashable, and lives as long as its server.
        key = location, location.redacted, attrs.evolve(context, clock=SYSTEM_CLOCK), id(context.clock)
        return cls(_servers.setdefault(key, Server(location, context)))

    def blocking(self) -> Self:
        """The same server; every call blocks its thread instead of suspending."""
        return type(self)(self.server, blocks=True)

    def beside(self, kind: type[Any]) -> Any:
        """Another component of the same server; None for a class of another backend."""
        return kind(self.server) if issubclass(kind, RedisComponent) else None

    @property
    def url(self) -> str:
        """The URL without its secrets."""
        return self.server.location.redacted

    @property
    def place(self) -> tuple[Location, str]:
        """The database and the namespace: what components share."""
        return self.server.location, self.context.namespace

    async def open(self) -> None:
        """Connect, and note our layout or check the one that is there."""
        await self._transport.open()
        found = self._integer("layout", await self._run("layout", LAYOUT))
        if found > LAYOUT:
            raise LayoutError(
                f"{self.url} has layout {found} of QTasks; this version knows up to {LAYOUT}.",
                "Upgrade: pip install -U qtasks-redis",
            )

    async def close(self) -> None:
        """Close the connections of this face; whoever uses them next opens them again."""
        await self._transport.close()

    async def advise(self) -> list[Advice]:
        """What the server may lose, and which keys of ours something else has written."""
        advice = advise(read_info(await self._transport.command("INFO")))
        if pairs := await self._foreign():
            error = self._corrupt(pairs)
            advice.append(Advice("problem", error.message.rstrip("."), error.hint))
        return advice

    @property
    def _transport(self) -> Transport[Any]:
        return self.server.transport(blocks=self._blocks)

    @property
    def _clock(self) -> str:
        """What scripts are told of the time: nothing where the server's own clock counts."""
        clock = self.context.clock
        return "" if clock is SYSTEM_CLOCK else f"{clock.wall_us()} {clock.monotonic_us()}"

    def _key(self, name: str) -> str:
        return f"{self.server.prefix}:{name}"

    async def _run(self, name: str, *args: Argument) -> Any:
        """Run one of our scripts."""
        [reply] = await self._run_many(name, [args])
        return reply

    async def _run_many(
        self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False, others_first: bool = False
    ) -> list[Any]:
        """Run one of our scripts several times in one round trip.

        Args:
            name: which.
            calls: the arguments of each call, behind the clock.
            durable: True for what may be waited for until it is on the server's disk, as the URL says.
            others_first: True to have those whom it wakes hear of it before us; see `Transport.run_many`.
        """
        clock = self._clock
        crashpoint("redis", name, "called")
        try:
            timed = [(clock, *args) for args in calls]
            replies = await self._transport.run_many(
                script(name), (self.server.prefix,), timed, wait_durable=durable, others_first=others_first
            )
        except ScriptError as error:
            if "QTASKS lease lost" in error.message:
                raise LeaseLostError(str(calls[0][0])) from None
            raise
        except BackendCorruptError as error:
            raise await self._named(error, *calls[0]) from error
        crashpoint("redis", name, "answered")
        return replies

    async def _publish(
        self, how: str, envelopes: Sequence[Envelope], *, durable: bool = False, others_first: bool = False
    ) -> list[str]:
        """Write messages: one script for each batch of a queue, as `publish.lua` says; returns their ids."""
        batches = in_batches(envelopes)
        calls = [(how, *publish_arguments(one)) for one in batches]
        replies = await self._run_many("publish", calls, durable=durable, others_first=others_first)
        known = {
            batch[number - 1].message.id: task_id.decode(errors="replace")
            for batch, pairs in zip(batches, replies, strict=True)
            for number, task_id in zip(pairs[::2], pairs[1::2], strict=True)
        }
        return [known.get(envelope.message.id, envelope.message.id) for envelope in envelopes]

    async def _look_up(self, command: str, name: str, *args: Argument) -> Any:
        """Read one of our keys by a plain command."""
        try:
            return await self._transport.command(command, self._key(name), *args)
        except BackendCorruptError as error:
            raise await self._named(error) from error

    async def _named(self, error: BackendCorruptError, *args: Argument) -> BackendCorruptError:
        """An error that names the keys which somebody else has written, also those of the queues among `args`."""
        words = [word for word in args if isinstance(word, str) and word][:MAX_WORDS]
        try:
            pairs = await self._foreign(*words)
        except BackendError:
            return error
        return self._corrupt(pairs) if pairs else error

    async def _foreign(self, *words: str) -> list[tuple[str, str]]:
        """The keys that something else has written, and what is wrong with each, those of the queues among `words`."""
        found = await self._transport.run(script("foreign"), [self.server.prefix], [self._clock, *words])
        return [(key.decode(errors="replace"), why.decode()) for key, why in zip(found[::2], found[1::2], strict=True)]

    def _corrupt(self, pairs: Sequence[tuple[str, str]]) -> BackendCorruptError:
        text = "; ".join(f"the key {key} {why}" for key, why in pairs)
        keys = " ".join(f"'{key}'" for key, _ in pairs)
        return BackendCorruptError(
            f"{self.url} holds what QTasks has not written: {text}.", f"Look what it is, then delete it: DEL {keys}"
        )

    def _integer(self, name: str, found: bytes | None) -> int:
        """What a key holds that counts; 0 where it is missing."""
        try:
            return int(found or 0)
        except ValueError:
            raise self._corrupt([(self._key(name), "holds no number")]) from None
