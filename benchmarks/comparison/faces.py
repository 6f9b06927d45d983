"""The two ways to add tasks, blocking and on an event loop, so that each workload is written once.

A workload is a coroutine. Over the blocking face it never suspends, and is driven without an event loop; the cost is
one call (0.1 microseconds) around that of the peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

BULK = 1000
"""How many tasks a bulk call adds."""


class Blocking:
    """A peer with `add`, `result` and perhaps `add_many`, called from plain code."""

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self.can_wait = hasattr(peer, "result")
        self.has_bulk = hasattr(peer, "add_many")

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Drive a coroutine that never suspends."""
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise RuntimeError("a blocking workload has suspended: it must await nothing but its face")

    async def add(self, task: str, value: float) -> Any:
        """Add one task and return what its result is asked for with."""
        return self._peer.add(task, value)

    async def add_many(self, task: str, values: list[float]) -> None:
        """Add many in one call."""
        self._peer.add_many(task, values)

    async def result(self, handle: Any) -> Any:
        """Wait for a result."""
        return self._peer.result(handle)

    async def trip(self, value: int) -> Any:
        """Add a no-op task and wait for its result, in one call where the peer has one."""
        if hasattr(self._peer, "trip"):
            return self._peer.trip("noop", value)
        return self._peer.result(self._peer.add("noop", value))


class Awaiting:
    """A peer with `add_async`, `result_async` and perhaps `add_many_async`, on uvloop where it is installed."""

    def __init__(self, peer: ModuleType) -> None:
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self.can_wait = hasattr(peer, "result_async")
        self.has_bulk = hasattr(peer, "add_many_async")
        self.add = peer.add_async
        if self.can_wait:
            self.result = peer.result_async
        if self.has_bulk:
            self.add_many = peer.add_many_async
        if hasattr(peer, "open_async"):
            self.run(peer.open_async())

    async def trip(self, value: int) -> Any:
        """Add a no-op task and wait for its result."""
        return await self.result(await self.add("noop", value))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop that all calls share."""
        return self._runner.run(coroutine)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop where it is installed, else of asyncio."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def face_of(peer: ModuleType) -> Blocking | Awaiting:
    """Return the blocking face where the peer has one, else the other."""
    return Blocking(peer) if hasattr(peer, "add") else Awaiting(peer)
