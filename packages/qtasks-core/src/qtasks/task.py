"""What `@app.task` makes of a function: typed task objects and prepared calls, for both faces.

`SyncTask` blocks, `AsyncTask` is awaited; both only collect what the producer needs. A task keeps the
types of its function's parameters and result (checked by `tests/typing/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, Unpack, cast, overload

import attrs

from qtasks.options import NO_OPTIONS, CallKeywords, CallOptions
from qtasks.registry import TaskDefinition, check_task_name
from qtasks.result import Task
from qtasks.runtime import Call, Home, Link

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

ADDED_ELSEWHERE = {
    "add_task(...)": ("delay", "send", "kiq", "enqueue", "defer", "enqueue_job"),
    "options(...).add_task(...)": ("apply_async", "send_with_options", "kicker", "schedule", "configure"),
    "options(...)(...)": ("s", "si", "signature", "message"),
}
"""How a call is added or prepared, and what the methods of a task that do so are called in other queues."""


def call_options(priority: int | None, timeout: float | None) -> CallOptions:
    """The options that a call gives among its arguments."""
    if priority is None and timeout is None:
        return NO_OPTIONS
    return CallOptions(priority=priority, timeout=timeout)


async def send_one(home: Home, link: Link, call: Call) -> Task[Any] | None:
    """Publish one call; with a timeout wait for its end. What both faces run."""
    (task,) = await home.runtime.producer.send(link, [call])
    if call.options.timeout is None:
        return task
    return await task.wait(link, call.options.timeout)


class PreparedCall(Generic[T]):
    """A call that was not added yet: give it to `app.add_tasks([...])`, or call `add_task()`."""

    __slots__ = ("call", "home")

    def __init__(self, home: Home, call: Call) -> None:
        self.home = home
        self.call = call

    def bind(self, *args: Any, **kwargs: Any) -> Self:
        """Another prepared call, with these arguments behind its own."""
        own = self.call
        return type(self)(self.home, attrs.evolve(own, args=(*own.args, *args), kwargs={**own.kwargs, **kwargs}))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.call.name}>"


class SyncCall(PreparedCall[T]):
    """A prepared call of the blocking face; `T` is what adding it gives."""

    __slots__ = ()

    def add_task(self) -> T:
        """Add it and return its handle; with a timeout wait for its end, and return None when time is up.

        Raises:
            BackendError: the broker did not take it.
            EncodeError: an argument cannot travel.
        """
        runtime, call = self.home.runtime, self.call
        return cast("T", runtime.run_blocking(lambda link: send_one(self.home, link, call), "add_task()", call.name))


class AsyncCall(PreparedCall[T]):
    """A prepared call of the awaitable face."""

    __slots__ = ()

    async def add_task(self) -> T:
        """Like `SyncCall.add_task`, awaited."""
        return cast("T", await self.home.runtime.run_async(lambda link: send_one(self.home, link, self.call)))


class Optioned(Generic[P]):
    """What `task.options(...)` gives: call it with the task's own arguments."""

    def __init__(self, task: RegisteredTask[P, Any], options: CallOptions) -> None:
        self._task = task
        self._options = options


class SyncOptioned(Optioned[P], Generic[P, T]):
    """Of the blocking face; `T` is what adding a call gives."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> SyncCall[T]:
        """Prepare a call."""
        return SyncCall(self._task.home, self._task.call(args, kwargs, self._options))

    def add_task(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Prepare a call and add it."""
        return self(*args, **kwargs).add_task()


class AsyncOptioned(Optioned[P], Generic[P, T]):
    """Of the awaitable face."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncCall[T]:
        """Prepare a call."""
        return AsyncCall(self._task.home, self._task.call(args, kwargs, self._options))

    async def add_task(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Prepare a call and add it."""
        return await self(*args, **kwargs).add_task()


class RegisteredTask(Generic[P, R]):
    """What the two faces have in common: the definition and where it belongs."""

    def __init__(self, definition: TaskDefinition, home: Home) -> None:
        self.definition = definition
        self.home = home
        self.__name__ = definition.name
        self.__doc__ = getattr(definition.function, "__doc__", None)
        self.__wrapped__ = definition.function

    @property
    def task_name(self) -> str:
        """The name it is registered under."""
        return self.definition.name

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], options: CallOptions) -> Call:
        """One call of this task, for the producer."""
        return Call(self.definition.name, args, kwargs, options, self.definition)

    def call_with(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """One call of this task whose options stand among its keyword arguments."""
        options = call_options(kwargs.pop("priority", None), kwargs.pop("timeout", None)) if kwargs else NO_OPTIONS
        if (name := kwargs.pop("task_name", None)) is None:
            return self.call(args, kwargs, options)
        return Call(check_task_name(name), args, kwargs, options, self.home.runtime.registry.find(name))

    if not TYPE_CHECKING:  # who checks types has to hear of attributes that are not there

        def __getattr__(self, name: str) -> Any:
            hints = (f" Here it is {ours}." for ours, words in ADDED_ELSEWHERE.items() if name in words)
            raise AttributeError(f"A task has no attribute {name!r}.{next(hints, '')}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.definition.name}>"


class SyncTask(RegisteredTask[P, R]):
    """A task of the blocking face."""

    @overload
    def add_task(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]: ...
    @overload
    def add_task(self, *args: Any, timeout: float, priority: int | None = ..., **kwargs: Any) -> Task[R] | None: ...
    @overload
    def add_task(self, *args: Any, priority: int, **kwargs: Any) -> Task[R]: ...
    def add_task(self, *args: Any, **kwargs: Any) -> Any:
        """Add a call of this task.

        Args:
            args: its arguments.
            priority: lower runs first; None takes the task's own.
            timeout: wait so many seconds for its end.
            task_name: another task to call in the place of this one.
            kwargs: its keyword arguments. One named like these options goes through `task.options(...)`.

        Returns:
            the handle; with a timeout the ended task, or None when time is up.

        Raises:
            BackendError: the broker did not take it; nothing was added, or repeating adds it once more.
            EncodeError: an argument cannot travel; the message holds its path.
        """
        call = self.call_with(args, kwargs)
        return self.home.runtime.run_blocking(lambda link: send_one(self.home, link, call), "add_task()", call.name)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> SyncCall[Task[R]]: ...
    @overload
    def __call__(
        self, *args: Any, timeout: float, priority: int | None = ..., **kwargs: Any
    ) -> SyncCall[Task[R] | None]: ...
    @overload
    def __call__(self, *args: Any, priority: int, **kwargs: Any) -> SyncCall[Task[R]]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare a call; `priority=` and `timeout=` are options of the call."""
        call: SyncCall[Any] = SyncCall(self.home, self.call_with(args, kwargs))  # a subscript costs a microsecond
        return call

    @overload
    def options(self, *, timeout: float, **options: Unpack[CallKeywords]) -> SyncOptioned[P, Task[R] | None]: ...
    @overload
    def options(self, **options: Unpack[CallKeywords]) -> SyncOptioned[P, Task[R]]: ...
    def options(self, **options: Any) -> Any:
        """Say more about a call; see `CallOptions` for units and defaults.

        Raises:
            ConfigError: an option has no usable value.
        """
        return SyncOptioned[P, Any](self, CallOptions.build(**options))


class AsyncTask(RegisteredTask[P, R]):
    """A task of the awaitable face; see `SyncTask` for arguments and errors."""

    @overload
    async def add_task(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]: ...
    @overload
    async def add_task(
        self, *args: Any, timeout: float, priority: int | None = ..., **kwargs: Any
    ) -> Task[R] | None: ...
    @overload
    async def add_task(self, *args: Any, priority: int, **kwargs: Any) -> Task[R]: ...
    async def add_task(self, *args: Any, **kwargs: Any) -> Any:
        """Like `SyncTask.add_task`, awaited."""
        call = self.call_with(args, kwargs)
        return await self.home.runtime.run_async(lambda link: send_one(self.home, link, call))

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncCall[Task[R]]: ...
    @overload
    def __call__(
        self, *args: Any, timeout: float, priority: int | None = ..., **kwargs: Any
    ) -> AsyncCall[Task[R] | None]: ...
    @overload
    def __call__(self, *args: Any, priority: int, **kwargs: Any) -> AsyncCall[Task[R]]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Prepare a call; `priority=` and `timeout=` are options of the call."""
        call: AsyncCall[Any] = AsyncCall(self.home, self.call_with(args, kwargs))  # a subscript costs a microsecond
        return call

    @overload
    def options(self, *, timeout: float, **options: Unpack[CallKeywords]) -> AsyncOptioned[P, Task[R] | None]: ...
    @overload
    def options(self, **options: Unpack[CallKeywords]) -> AsyncOptioned[P, Task[R]]: ...
    def options(self, **options: Any) -> Any:
        """Say more about a call; see `CallOptions` for units and defaults.

        Raises:
            ConfigError: an option has no usable value.
        """
        return AsyncOptioned[P, Any](self, CallOptions.build(**options))
