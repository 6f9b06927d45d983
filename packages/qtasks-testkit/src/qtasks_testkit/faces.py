"""Two ways to drive a component's coroutines, so that every claim is made of both: an event loop, the blocking view.

A face knows nothing of queues; `rig.py` puts words for those on top. What ought to come at once and did not fails here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from qtasks.ports import Component

PATIENCE_S = 20.0
"""How long tests ask to wait for what must come at once."""

AT_ONCE_S = 8.0
"""A call that took longer has let a wait run out: it fails."""


@contextmanager
def at_once(limit_s: float = AT_ONCE_S) -> Iterator[None]:
    """Fail when the block takes long enough for a wait to have run out."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit_s, "what must come at once was waited for"


class AsyncFace:
    """Drives coroutines with an event loop."""

    name = "async"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def view(self, component: Any) -> Any:
        """The component itself."""
        return component

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        with at_once():
            return self._runner.run(coroutine)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
        """Begin a call that waits; what is returned gives its result."""
        task = self._runner.get_loop().create_task(coroutine)
        self._runner.run(asyncio.sleep(0))

        async def join() -> Any:
            return await task

        return lambda: self.call(join())

    def interrupt(self, coroutine: Coroutine[Any, Any, Any], steps: int) -> None:
        """Begin a call that waits, and cancel it after so many steps of the loop."""

        async def interrupt() -> None:
            task = asyncio.ensure_future(coroutine)
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        self._runner.run(interrupt())

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()


class BlockingFace:
    """Drives the coroutines of blocking views: each runs to its end in one step."""

    name = "blocking"

    def view(self, component: Component) -> Any:
        """The component's blocking view; skips where it has none."""
        view = component.blocking()
        if view is None:
            pytest.skip(f"{type(component).__name__} has no blocking view")
        return view

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end in one step; fails when it suspends."""
        try:
            with at_once():
                coroutine.send(None)
        except StopIteration as end:
            return end.value
        coroutine.close()
        raise AssertionError(f"{coroutine} suspended in the blocking view")

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
        """Begin a call that waits, in a thread; what is returned gives its result."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(self.call(coroutine))
            except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return lambda: future.result(PATIENCE_S)

    def close(self) -> None:
        """Nothing to free."""


FACES: dict[str, type[AsyncFace | BlockingFace]] = {"async": AsyncFace, "blocking": BlockingFace}
