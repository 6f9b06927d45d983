"""The lock and the waiting around a `State`, and who shares one.

One lock makes every call a single step. Who waits is woken when there is news, or when the next delayed task
is due. How long anybody waits at most is real time; what is due, expired or lost the injected clock tells.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from qtasks.backends.memory.machine import next_due
from qtasks.backends.memory.state import State
from qtasks.errors import ConfigError
from qtasks.ports import BackendContext, Component
from qtasks.types import NAME, US_PER_S

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_NAP_S = 3600.0
"""Nobody sleeps longer without looking again: platforms limit how long a wait may be."""


class ThreadSleeper(threading.Event):
    """Waits for news by blocking its thread; `wake` may be called from anywhere, also ahead of `sleep`."""

    wake = threading.Event.set

    async def sleep(self, nap_s: float) -> None:
        """Wait until somebody wakes it, for up to `nap_s` seconds."""
        self.wait(nap_s)
        self.clear()


class LoopSleeper:
    """The same by suspending its coroutine."""

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._timeout = asyncio.timeout

    def wake(self) -> None:
        """Let `sleep` return."""
        with suppress(RuntimeError):  # its loop was closed: nobody waits there any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def sleep(self, nap_s: float) -> None:
        """Wait until somebody wakes it, for up to `nap_s` seconds."""
        with suppress(TimeoutError):
            async with self._timeout(nap_s):
                await self._event.wait()
        self._event.clear()


Sleeper: TypeAlias = ThreadSleeper | LoopSleeper


class Store:
    """One namespace in memory: its state, its lock and those who wait for news.

    Args:
        context: whose clock and limits it uses.
    """

    def __init__(self, context: BackendContext) -> None:
        self._clock = context.clock
        self._state = State(context.dead_letter_cap, context.stream_cap)
        self._lock = threading.Lock()
        self._sleepers: set[Sleeper] = set()

    @contextmanager
    def step(self) -> Iterator[State]:
        """Give the state for one step: alone, at one moment; then wake those who wait for news."""
        with self._lock:
            state = self._state
            state.wall, state.monotonic = self._clock.wall_us(), self._clock.monotonic_us()
            try:
                yield state
            finally:  # a step that ends in an error may have taken tasks away from whoever lost its lease
                if state.news:
                    state.news = False
                    for sleeper in self._sleepers:
                        sleeper.wake()

    def notify(self) -> None:
        """Make everybody who waits look again: tests call this when they have moved the clock."""
        with self.step() as state:
            state.news = True

    async def until(self, answer: Callable[[State], T | None], timeout_s: float, sleeper: Sleeper) -> T | None:
        """Repeat a step until it gives an answer; None when time is up."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                with self.step() as state:
                    if (found := answer(state)) is not None:
                        return found
                    self._sleepers.add(sleeper)
                    due = next_due(state)
                    due_s = LONGEST_NAP_S if due is None else (due - state.wall) / US_PER_S
                if (left_s := deadline - time.monotonic()) <= 0:
                    return None
                await sleeper.sleep(min(left_s, due_s, LONGEST_NAP_S))
        finally:
            with self._lock:
                self._sleepers.discard(sleeper)


_stores: dict[tuple[str, str], Store] = {}
_stores_lock = threading.Lock()


def drop(name: str = "default") -> None:
    """Forget the stores of a URL's name, in all namespaces: components made from now on begin anew."""
    with _stores_lock:
        for key in [key for key in _stores if key[0] == name]:
            del _stores[key]


class MemoryComponent(Component):
    """What the faces have in common: the store, and how they wait for it.

    Args:
        store: where everything is.
        name: the name in the URL.
        sleeper: how its coroutines wait.
    """

    def __init__(self, store: Store, name: str, sleeper: Callable[[], Sleeper] = LoopSleeper) -> None:
        self.store = store
        self._name = name
        self._sleeper = sleeper

    @classmethod
    def from_url(cls, url: str, context: BackendContext) -> Self:
        """Share the store of `memory://name`; `memory://` alone has the name "default"."""
        parts = urlsplit(url)
        name = parts.netloc or "default"
        if not NAME.fullmatch(name) or parts.path or parts.query or parts.fragment:
            hint = "Letters, digits, '_', '.' and '-' make a name; there are no parameters."
            raise ConfigError(f"expected memory:// or memory://name, found {url!r}.", hint)
        with _stores_lock:
            return cls(_stores.setdefault((name, context.namespace), Store(context)), name)

    def blocking(self) -> Self:
        """The same store, waited for by blocking the thread."""
        return type(self)(self.store, self._name, ThreadSleeper)

    @property
    def url(self) -> str:
        """`memory://` and the name."""
        return f"memory://{self._name}"

    async def open(self) -> None:
        """Do nothing: the store is there."""

    async def close(self) -> None:
        """Do nothing: the store stays for whoever comes next."""

    async def _until(self, answer: Callable[[State], T | None], timeout_s: float) -> T | None:
        return await self.store.until(answer, timeout_s, self._sleeper())


def method(
    function: Callable[Concatenate[State, P], T],
) -> Callable[Concatenate[MemoryComponent, P], Coroutine[Any, Any, T]]:
    """Make a method of a component from a function over the state: one call, one step."""

    async def run(self: MemoryComponent, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.store.step() as state:
            return function(state, *args, **kwargs)

    return run
