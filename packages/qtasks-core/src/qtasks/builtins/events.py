"""Events of an application, `@app.events.on.task_success`: hooks that functions listen to, without a plugin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from qtasks.errors import ConfigError, did_you_mean
from qtasks.hooks import hookimpl
from qtasks.hooks.implementation import is_async
from qtasks.types import TaskStatus

if TYPE_CHECKING:
    from qtasks.hooks import HookRegistry


@attrs.frozen
class Event:
    """What is fixed about one event.

    Args:
        hook: when it happens: a hook of kind `notify`.
        facts: the keywords that listeners may ask for.
        statuses: how the task must have ended; none where that does not matter.
    """

    hook: str
    facts: tuple[str, ...]
    statuses: tuple[TaskStatus, ...] = ()


_RUNS = ("task_executor", "worker", "task_func", "task_broker")
_ENDED = ("worker", "task_func", "task_broker", "model")

EVENTS: Mapping[str, Event] = {
    "starting": Event("starter_start", ("starter",)),
    "stopping": Event("starter_stop", ("starter",)),
    "worker_running": Event("worker_start", ("worker",)),
    "worker_stopping": Event("worker_stop", ("worker",)),
    "task_running": Event("task_executor_before_execute", _RUNS),
    "task_success": Event("worker_execute_after", _ENDED, (TaskStatus.SUCCESS,)),
    "task_error": Event("worker_execute_after", _ENDED, (TaskStatus.ERROR, TaskStatus.DEAD)),
    "task_cancel": Event("worker_execute_after", _ENDED, (TaskStatus.CANCEL,)),
    "task_stopping": Event("task_executor_task_close", _RUNS),
}
"""All events. `task_stopping` is the end of a run, whatever comes of it; what came of it follows when it is written."""


class Events:
    """Who listens to what. It may be filled before it is given to an application: `QueueTasks(events=events)`.

    Attributes:
        on: one attribute for each event: `@events.on.task_error`, `@events.on.task_error()` or
            `events.on.task_error(listener)`.
    """

    def __init__(self) -> None:
        self.on = On(self)
        self._listeners: list[Listener] = []
        self._registries: list[HookRegistry] = []

    def add(self, event: str, function: Callable[..., Any] | None = None) -> Any:
        """Have a function, `def` or `async def`, called at an event, with those facts that it names, or all by `**kw`.

        Returns:
            the function; without one, what takes it.

        Raises:
            ConfigError: the event has no such fact.
        """
        if function is None:
            return partial(self.add, event)
        listener = Listener(event, function)
        for registry in self._registries:
            registry.add(listener)
        self._listeners.append(listener)
        return function

    def attach(self, registry: HookRegistry) -> None:
        """Listen to the hooks of an application, too."""
        self._registries.append(registry)
        for listener in self._listeners:
            registry.add(listener)


class On:
    """What `events.on` is."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in EVENTS:
            hint = did_you_mean(name, EVENTS) or f"There are {', '.join(EVENTS)}."
            raise AttributeError(f"There is no event {name!r}. {hint}", name=name, obj=self)
        return partial(self._events.add, name)


class Listener:
    """A plugin of one hook. Those of one event are called in the order in which they came."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        event = EVENTS[name]
        parameters = inspect.signature(function).parameters.values()
        named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
        asked = [each.name for each in named if each.name in event.facts]
        if unknown := [each.name for each in named if each.default is each.empty and each.name not in asked]:
            facts = ", ".join(event.facts)
            raise ConfigError(
                f"The event {name} has nothing called {', '.join(unknown)} for {function!r}.",
                f"It may ask for {facts}, or for all of them with **kw.",
            )
        tell = partial(_tell, event, function, asked if len(named) == len(parameters) else event.facts)

        def heard(**kw: Any) -> None:
            tell(kw)

        async def heard_async(**kw: Any) -> None:
            if (answer := tell(kw)) is not None:
                await answer

        self.name = f"events.{name}"
        setattr(self, event.hook, hookimpl(trylast=True)(heard_async if is_async(function) else heard))


def _tell(event: Event, function: Callable[..., Any], asked: Sequence[str], kw: dict[str, Any]) -> Any:
    if event.statuses and kw["model"].status not in event.statuses:
        return None
    if (executor := kw.get("task_executor")) is not None:
        kw |= {"worker": executor.run.worker, "task_func": executor.task_func, "task_broker": executor.task_broker}
    return function(**{name: kw[name] for name in asked})
