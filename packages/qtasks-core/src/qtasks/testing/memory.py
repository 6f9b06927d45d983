"""An application on the memory backend for the length of a block, under a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qtasks.app.application import Application
from qtasks.app.settings import Settings
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import Store
from qtasks.ports import BackendContext
from qtasks.runtime import Link
from qtasks.types import SYSTEM_CLOCK, US_PER_S


class MovableClock:
    """The machine's clocks, but the time of day can be moved forward. Leases do not notice.

    Args:
        moved: called after each move: whoever waits for a time has to look again.
    """

    def __init__(self, moved: Callable[[], None] = lambda: None) -> None:
        self._ahead_us = 0
        self.moved = moved

    def wall_us(self) -> int:
        """The time of day, microseconds UTC."""
        return SYSTEM_CLOCK.wall_us() + self._ahead_us

    def monotonic_us(self) -> int:
        """The machine's own, microseconds."""
        return SYSTEM_CLOCK.monotonic_us()

    def advance(self, seconds: float) -> None:
        """Move the time of day forward: what is due by then is taken at once, what expires is gone."""
        self._ahead_us += round(seconds * US_PER_S)
        self.moved()


@contextmanager
def in_memory(app: Application) -> Iterator[MovableClock]:
    """Give an application an empty queue in memory; afterwards it has its own components again.

    Enter it before `running(app)`.

    Yields:
        the clock by which tasks are delayed, expire, and are retried.
    """
    clock = MovableClock()
    store = Store(BackendContext(namespace=app.name, clock=clock))
    clock.moved = store.notify
    runtime, name = app.runtime, "testing"
    settings = Settings(MemoryGlobalConfig(store, name), app.hooks.dispatch)
    link = Link(MemoryBroker(store, name), MemoryStorage(store, name), settings, shared=True)
    before = runtime.connect(link), runtime.clock
    runtime.clock = clock
    try:
        yield clock
    finally:
        runtime.connect(before[0])
        runtime.clock = before[1]
