"""Where tasks are declared: `@app.task`, routers and `shared_task`, in both faces.

The faces differ only in the type of what the decorator gives back.
"""

from __future__ import annotations

import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from qtasks.options import TaskKeywords, TaskOptions
from qtasks.registry import TaskDefinition, TaskRegistry, define
from qtasks.runtime import Home, Runtime
from qtasks.task import AsyncTask, RegisteredTask, SyncTask

P = ParamSpec("P")
R = TypeVar("R")

Face = Callable[[TaskDefinition, Home], RegisteredTask[Any, Any]]
"""Makes the task of a definition: `SyncTask` or `AsyncTask`."""

AnyGenerator = Generator[Any, Any, Any] | Iterator[Any] | AsyncGenerator[Any, Any] | AsyncIterator[Any]
"""What functions that yield are annotated to return; no result of a task can be one of these."""


class SyncDecorator(Protocol):
    """What `task(...)` gives in the blocking face."""

    @overload
    def __call__(self, function: Callable[P, AnyGenerator]) -> SyncTask[P, Any]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> SyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> SyncTask[P, R]: ...


class SyncEchoDecorator(Protocol):
    """What `task(echo=True)` gives in the blocking face: the bound object is no argument of a call."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], AnyGenerator]) -> SyncTask[P, Any]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> SyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R]) -> SyncTask[P, R]: ...


class AsyncDecorator(Protocol):
    """What `task(...)` gives in the awaitable face."""

    @overload
    def __call__(self, function: Callable[P, AnyGenerator]) -> AsyncTask[P, Any]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> AsyncTask[P, R]: ...


class AsyncEchoDecorator(Protocol):
    """What `task(echo=True)` gives in the awaitable face."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], AnyGenerator]) -> AsyncTask[P, Any]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R]) -> AsyncTask[P, R]: ...


class Declarations:
    """What applications and routers share: a registry, and where its tasks belong."""

    def __init__(self) -> None:
        self.tasks = TaskRegistry()
        self.home = Home()
        self._included_by: weakref.WeakSet[Runtime] = weakref.WeakSet()

    def _declare(self, face: Face, name: Any, options: dict[str, Any]) -> Any:
        """What `task` and `shared_task` do, whatever the face of the task."""

        def decorate(function: Callable[..., Any]) -> RegisteredTask[Any, Any]:
            task_name = None if callable(name) else name
            definition = define(function, task_name, TaskOptions.build(**options))
            _add_to_all([self.tasks, *(runtime.registry for runtime in self._included_by)], [definition])
            return face(definition, self.home)

        return decorate(name) if callable(name) else decorate

    def include_in(self, runtime: Runtime) -> None:
        """Give an application these tasks, and those declared later; new calls go to it.

        Raises:
            ConfigError: a name is taken; nothing was given.
        """
        _add_to_all([runtime.registry], self.tasks)
        self._included_by.add(runtime)
        self.home.settle(runtime)


class SyncDeclarations(Declarations):
    """`task` in the blocking face."""

    @overload
    def task(self, name: Callable[P, AnyGenerator]) -> SyncTask[P, Any]: ...
    @overload
    def task(self, name: Callable[P, Coroutine[Any, Any, R]]) -> SyncTask[P, R]: ...
    @overload
    def task(self, name: Callable[P, R]) -> SyncTask[P, R]: ...
    @overload
    def task(self, name: str | None = ..., *, echo: Literal[True], **options: Any) -> SyncEchoDecorator: ...
    @overload
    def task(self, name: str | None = ..., **options: Unpack[TaskKeywords]) -> SyncDecorator: ...
    @overload
    def task(self, name: str | None = ..., **options: Any) -> SyncDecorator: ...
    def task(self, name: Any = None, **options: Any) -> Any:
        """Make a task of a function: `@app.task`, `@app.task("name")` or `@app.task(name=..., ...)`.

        Args:
            name: the task's name; the function's own when None.
            options: see `TaskOptions`; others are kept for plugins.

        Returns:
            the task: `add_task(...)` adds a call, calling it prepares one.

        Raises:
            ConfigError: the name is taken, or an option has no usable value.
        """
        return self._declare(SyncTask, name, options)


class AsyncDeclarations(Declarations):
    """`task` in the awaitable face."""

    @overload
    def task(self, name: Callable[P, AnyGenerator]) -> AsyncTask[P, Any]: ...
    @overload
    def task(self, name: Callable[P, Coroutine[Any, Any, R]]) -> AsyncTask[P, R]: ...
    @overload
    def task(self, name: Callable[P, R]) -> AsyncTask[P, R]: ...
    @overload
    def task(self, name: str | None = ..., *, echo: Literal[True], **options: Any) -> AsyncEchoDecorator: ...
    @overload
    def task(self, name: str | None = ..., **options: Unpack[TaskKeywords]) -> AsyncDecorator: ...
    @overload
    def task(self, name: str | None = ..., **options: Any) -> AsyncDecorator: ...
    def task(self, name: Any = None, **options: Any) -> Any:
        """Like `SyncDeclarations.task`."""
        return self._declare(AsyncTask, name, options)


class SyncRouter(SyncDeclarations):
    """Tasks declared apart from an application, until `app.include_router(router)`."""


class AsyncRouter(AsyncDeclarations):
    """Like `SyncRouter`, for `qtasks.asyncio`."""


def _add_to_all(registries: Collection[TaskRegistry], definitions: Iterable[TaskDefinition]) -> None:
    """Register tasks in several registries: in all of them, or in none.

    Raises:
        ConfigError: a name is taken.
    """
    wanted = [(registry, definition) for registry in registries for definition in definitions]
    for registry, definition in wanted:
        registry.check_free(definition.name)
    for registry, definition in wanted:
        registry.add(definition)


shared = Declarations()
"""The tasks that belong to whichever application there is: every one includes them."""


def shared_task(name: Any = None, *, awaiting: bool | None = None, **options: Any) -> Any:
    """Make a task of a function for every application of the process, made before or after.

    Args:
        name: the task's name; the function's own when None.
        awaiting: True gives a task of the awaitable face, False of the blocking one; None goes by the
            function: awaitable for an `async def`.
        options: as for `app.task`.

    Returns:
        the task; its calls go to the application made last.

    Raises:
        ConfigError: an application has a task of that name already.
    """

    def face(definition: TaskDefinition, home: Home) -> RegisteredTask[Any, Any]:
        awaitable = not definition.in_thread if awaiting is None else awaiting
        return (AsyncTask if awaitable else SyncTask)(definition, home)

    return shared._declare(face, name, options)  # noqa: SLF001 - of this module
