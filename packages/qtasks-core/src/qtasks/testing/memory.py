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
from qtasks.types import SYSTEM_CLOCK, US_PER_S, Clock

NAME = "testing"
"""What the URL of a test's queue ends with."""


class MovableClock:
    """The machine's clocks, but the time of day can be moved forward, or stands still. Leases do not notice.

    Args:
        moved: called after each move: whoever waits for a time has to look again.
        stands_at_us: the time of day that does not go on by itself, microseconds UTC; None goes on.
    """

    def __init__(self, moved: Callable[[], None] = lambda: None, stands_at_us: int | None = None) -> None:
        self._stands_at_us, self._ahead_us = stands_at_us, 0
        self.moved = moved

    def wall_us(self) -> int:
        """The time of day, microseconds UTC."""
        now_us = SYSTEM_CLOCK.wall_us() if self._stands_at_us is None else self._stands_at_us
        return now_us + self._ahead_us

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
    with connected(app, MemoryBroker(store, NAME), clock):
        yield clock


@contextmanager
def connected(app: Application, broker: MemoryBroker, clock: Clock) -> Iterator[None]:
    """Give an application a broker, the other components over the same store, and a clock; then its own again."""
    runtime, store = app.runtime, broker.store
    settings = Settings(MemoryGlobalConfig(store, NAME), app.hooks.dispatch)
    before = runtime.connect(Link(broker, MemoryStorage(store, NAME), settings, shared=True)), runtime.clock
    runtime.clock = clock
    try:
        yield
    finally:
        runtime.connect(before[0])
        runtime.clock = before[1]
