"""What one application is made of, for everything below it: components, registry, hooks, settings.

The application builds one `Runtime`; producers, executors, workers and the handles that users hold
share it. It also knows how a coroutine of the one code base is run for a blocking caller.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from qtasks.config import QueueConfig
from qtasks.errors import ConfigError, PluginError, PublishError, WouldSuspendError
from qtasks.hooks import SPECS, HookRegistry
from qtasks.message import Envelope
from qtasks.options import CallOptions
from qtasks.ports import Broker, Storage
from qtasks.registry import TaskDefinition, TaskRegistry
from qtasks.types import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from qtasks.app.settings import Settings
    from qtasks.result import Task

T = TypeVar("T")

log = logging.getLogger("qtasks")
log.addHandler(logging.NullHandler())  # a library is silent until the program configures its logs

PRODUCER_HOOKS = frozenset(
    hook
    for hook, spec in SPECS.items()
    if spec.component in {"qtasks", "broker", "storage", "global_config", "stats"}
    and not hook.endswith(("_start", "_stop"))
)
"""Hooks that may fire in a producer's call; where one of them is asynchronous, a blocking caller needs the bridge."""


@attrs.define(eq=False)
class Link:
    """Broker, storage and global config as one face sees them: all awaitable, or all blocking."""

    broker: Broker
    storage: Storage
    global_config: Settings
    shared: bool
    opened: bool = False

    async def open(self) -> None:
        """Open all three, once."""
        if self.opened:
            return
        await self.broker.open()
        await self.storage.open()
        await self.global_config.backend.open()
        self.opened = True

    async def close(self) -> None:
        """Close all three; the next use opens them again."""
        self.opened = False
        for component in (self.global_config.backend, self.storage, self.broker):
            await component.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Publish envelopes, over one server or two.

        Returns:
            the ids under which they are known, in order.

        Raises:
            BackendError: as `Broker.publish` does.
        """
        if not envelopes:
            return []
        if self.shared:
            return await self.broker.publish(envelopes)
        known = await self.storage.add(envelopes)
        fresh = [envelope for envelope, as_id in zip(envelopes, known, strict=True) if envelope.message.id == as_id]
        try:
            await self.broker.publish(fresh)
        except PublishError as error:  # after any other error it may wait in the queue: its record stays
            await self.storage.remove(error.refused)
            raise
        return known

    def blocking(self) -> Link | None:
        """The same for the blocking face; None where a component has no blocking view."""
        views = (self.broker.blocking(), self.storage.blocking(), self.global_config.blocking())
        if views[0] is None or views[1] is None or views[2] is None:
            return None
        return Link(views[0], views[1], views[2], self.shared)


Make = Callable[[Link], Coroutine[Any, Any, T]]
"""A call of the one code base, waiting for the link it shall use."""


class Sends(Protocol):
    """The producer, as the handles below it see it."""

    async def send(self, link: Link, calls: Sequence[Call]) -> list[Task[Any]]:
        """Publish calls in one round trip."""


@attrs.define(eq=False)
class Call:
    """One call that a producer is asked to publish.

    Args:
        name: the task's name.
        args: its positional arguments.
        kwargs: its keyword arguments.
        options: what the call says beside them.
        definition: the task, where it is registered in this process.
        id: what the task is to be known by, 32 hexadecimal digits: a call with the id of a task that is still kept adds
            nothing. None makes a new one.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: CallOptions
    definition: TaskDefinition | None = None
    id: str | None = None


@attrs.define(eq=False)
class Runtime:
    """One application's parts.

    Args:
        name: the namespace.
        config: its settings.
        registry: its tasks.
        hooks: its plugins.
        link: the components, awaitable.
        bridge: runs a call on the background loop, for callers that cannot be driven; from `app`.
        producer: set by `app`.
        clock: the clocks.
    """

    name: str
    config: QueueConfig
    registry: TaskRegistry
    hooks: HookRegistry
    link: Link
    bridge: Callable[[Make[Any]], Any]
    app: Any
    clock: Clock = SYSTEM_CLOCK
    producer: Sends = attrs.field(init=False)
    _blocking: Link | None = attrs.field(init=False, default=None)
    _warned: set[tuple[str, str]] = attrs.field(init=False, factory=set)

    def connect(self, link: Link) -> Link:
        """Use other components from now on. Returns those in use so far."""
        before, self.link, self._blocking = self.link, link, None
        return before

    def blocking_link(self) -> Link | None:
        """The link of the blocking face; None where one of the components has no such view."""
        if self._blocking is None:
            self._blocking = self.link.blocking()
        return self._blocking

    def close_blocking(self) -> None:
        """Close the link of the blocking face; the next use opens it again."""
        if self._blocking is not None and self._blocking.opened:
            drive(self._blocking.close())

    def run_blocking(
        self,
        make: Make[T],
        what: str = "A blocking call",
        task: str = "",
        *,
        instead: str = "the awaitable face, `from qtasks.asyncio import QueueTasks`,",
        fires_hooks: bool = True,
    ) -> T:
        """Run a call to its end in the calling thread.

        Its coroutine is driven over the blocking link. Where a component has none, or a plugin has an
        asynchronous hook, the background loop serves instead.

        Args:
            make: the call.
            what: how the user calls it, for the warning that it blocks a running event loop.
            task: the task's name: it is warned of once.
            instead: what does not block, for the warning.
            fires_hooks: False for a call that fires none: no plugin may hold up a beat.
        """
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and asyncio._get_running_loop() is not None and (what, task) not in self._warned:  # noqa: SLF001 - does not import asyncio
            self._warned.add((what, task))
            call = f"{what} of task {task!r}" if task else what
            warnings.warn(f"{call} blocks the running event loop. Use {instead} there.", RuntimeWarning, stacklevel=3)
        async_hooks = self.hooks.dispatch.async_hooks
        bridged = fires_hooks and async_hooks and async_hooks & PRODUCER_HOOKS
        link = None if bridged else self.blocking_link()
        if link is None:
            result: T = self.bridge(make)
            return result
        if not link.opened:
            drive(link.open())
        return drive(make(link))

    def run_async(self, make: Make[T]) -> Coroutine[Any, Any, T]:
        """Run a call on the caller's event loop."""
        return make(self.link) if self.link.opened else self._open_and_run(make)

    async def _open_and_run(self, make: Make[T]) -> T:
        await self.link.open()
        return await make(self.link)


def answered(hook: str, answer: object, wanted: type[T]) -> T:
    """Return what a hook's implementations made of a value, if it is still of its type.

    Raises:
        PluginError: it is not.
    """
    if not isinstance(answer, wanted):
        raise PluginError(
            f"Hook {hook}: a plugin answered with a {type(answer).__name__}.",
            f"Return None or a {wanted.__name__}; msgspec.structs.replace(...) makes a changed one.",
        )
    return answer


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends.

    Raises:
        WouldSuspendError: it did; it was closed.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    coroutine.close()
    raise WouldSuspendError(
        f"{name} waited for an event loop while it was driven by a blocking caller.",
        "Use `from qtasks.asyncio import QueueTasks`, make the hook or component that it awaits blocking, or set "
        "`suspends = True` on the executor that does.",
    )


class Home:
    """Where a task belongs: filled at once by an application, later by `include_router`."""

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = runtime

    def settle(self, runtime: Runtime) -> None:
        """Tell it the application. The last one told is the one that calls go to."""
        self._runtime = runtime

    @property
    def runtime(self) -> Runtime:
        """The application's parts.

        Raises:
            ConfigError: no application has included the router yet.
        """
        if self._runtime is None:
            raise ConfigError(
                "This task belongs to a router that no application has included.", "Call app.include_router(router)."
            )
        return self._runtime
