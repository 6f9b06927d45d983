"""What tasks an application knows: their functions, options and kinds. How they run is the executor's."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs

from qtasks.errors import ConfigError, TaskNotRegisteredError, did_you_mean, listed
from qtasks.options import TaskOptions
from qtasks.types import AnyFunction

Kind = Literal["async", "sync", "async_generator", "generator"]
"""What a task's function is; decided once, when it is registered."""

_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,510}[^\s\x00-\x1f\x7f])?")
"""What names of tasks look like (`fullmatch`)."""


@attrs.frozen(eq=False)
class TaskDefinition:
    """A registered task.

    Args:
        name: its exact name: what travels on the wire.
        function: the user's function.
        kind: what the function is.
        options: what the decorator said.
    """

    name: str
    function: AnyFunction
    kind: Kind
    options: TaskOptions

    @property
    def in_thread(self) -> bool:
        """True when the function blocks and needs a slot thread."""
        return self.kind in ("sync", "generator")

    @property
    def generates(self) -> bool:
        """True when the function yields."""
        return self.kind in ("generator", "async_generator")


def define(function: AnyFunction, name: str | None, options: TaskOptions) -> TaskDefinition:
    """Make the definition of a function.

    Args:
        function: a sync or async function, generator or asynchronous generator.
        name: the task's name; the function's own when None.
        options: what the decorator said.

    Raises:
        ConfigError: it is no function, the name is none, or an option does not fit its kind.
    """
    if not callable(function) or inspect.isclass(function):
        raise ConfigError(
            f"A task must be a function, found {function!r}.", "Write @app.task above a def or async def."
        )
    name = check_task_name(getattr(function, "__name__", "") if name is None else name)
    inner = inspect.unwrap(function)
    bodies = (inner, type(inner).__call__)  # the latter of an object that is called like a function
    kind: Kind = "sync"
    if any(map(inspect.isasyncgenfunction, bodies)):
        kind = "async_generator"
    elif any(map(inspect.iscoroutinefunction, bodies)):
        kind = "async"
    elif any(map(inspect.isgeneratorfunction, bodies)):
        kind = "generator"
    if options.generate_handler is not None and kind in ("sync", "async"):
        raise ConfigError(
            f"Task {name!r} has a generate_handler but is not a generator.",
            "Use yield in it, or drop generate_handler.",
        )
    return TaskDefinition(name, function, kind, options)


def check_task_name(name: object) -> str:
    """Return the name of a task if it is one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"A task's name must be a line of 1 to 512 characters, not blank at its ends, found {reprlib.repr(name)}."
        )
    return name


class TaskRegistry:
    """The tasks of one application or router, by name."""

    def __init__(self) -> None:
        self._definitions: dict[str, TaskDefinition] = {}
        self.admit: Callable[[TaskDefinition], object] = lambda _definition: None

    def add(self, definition: TaskDefinition) -> None:
        """Register a task.

        Raises:
            ConfigError: the name is taken (it is a `ValueError`, too).
            Exception: whatever `admit` raises, to keep the task out.
        """
        self.check_free(definition.name)
        self.admit(definition)
        self._definitions[definition.name] = definition

    def check_free(self, name: str) -> None:
        """Raise where `add` would.

        Raises:
            ConfigError: the name is taken.
        """
        if first := self.find(name):
            code = getattr(inspect.unwrap(first.function), "__code__", None)
            place = f"{code.co_filename}, line {code.co_firstlineno}" if code else repr(first.function)
            raise ConfigError(
                f"Task with name {name} is already registered!",
                f"The first one is in {place}. Give one of them another name: @app.task(name=...).",
            )

    def find(self, name: str) -> TaskDefinition | None:
        """The task of that name, or None."""
        return self._definitions.get(name)

    def require(self, name: str) -> TaskDefinition:
        """The task of that name.

        Raises:
            TaskNotRegisteredError: there is none; the hint names those that are alike.
        """
        definition = self._definitions.get(name)
        if definition is None:
            raise TaskNotRegisteredError(f"No task is registered as {name!r}.", _alike(name, self._definitions))
        return definition

    def queues(self) -> list[str]:
        """The queues that the tasks wait in, by name."""
        return sorted({definition.options.queue for definition in self})

    def __iter__(self) -> Iterator[TaskDefinition]:
        return iter(self._definitions.values())

    def __len__(self) -> int:
        return len(self._definitions)

    def __contains__(self, name: Any) -> bool:
        return name in self._definitions

    def __getitem__(self, name: str) -> TaskDefinition:
        return self.require(name)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._definitions)


def _alike(name: str, known: dict[str, TaskDefinition]) -> str:
    if not known:
        return "No task is registered here: is the module with your @app.task functions imported?"
    return did_you_mean(name, known) or f"Registered here: {listed(known)}."
