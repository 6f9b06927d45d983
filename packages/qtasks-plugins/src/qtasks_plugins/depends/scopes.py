"""Instances of dependencies: opened when they are first asked for, closed together, the latest first.

An instance is made where it can wait: blocking code in a thread, coroutines on the worker's event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

from qtasks.executor.executor import TaskExecutor

from qtasks_plugins.depends.dependency import Dependency, ScopeEnum, in_force
from qtasks_plugins.depends.recipe import Kind, Recipe, recipe_of

log = logging.getLogger("qtasks.plugins.depends")

Wait: TypeAlias = Callable[[Awaitable[Any]], Coroutine[Any, Any, Any]]
Call: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]


class Scope:
    """The instances of one owner.

    Args:
        wait: awaits something on the event loop of the worker.
        call: calls something that blocks, where it may.
        call_to_end: the same for what closes an instance: no time limit keeps it from its end.
    """

    def __init__(self, wait: Wait, call: Call, call_to_end: Call) -> None:
        self._stack = AsyncExitStack()
        self._wait = wait
        self._call = call
        self._call_to_end = call_to_end

    async def _open(self, recipe: Recipe, needed: dict[str, Any]) -> Any:
        """Make an instance, and remember how it is closed."""
        match recipe.kind:
            case Kind.COROUTINE:
                return await self._wait(recipe.make(**needed))
            case Kind.ASYNC_MANAGER:
                return await self._wait(self._enter_async(recipe.make(**needed)))
            case Kind.MANAGER:
                manager, instance = await self._call(_enter, recipe.make, needed)
                self._stack.push_async_exit(partial(self._leave, manager))
                return instance
            case Kind.FUNCTION:
                made = await self._call(recipe.make, **needed)
                return await self._wait(made) if inspect.isawaitable(made) else made

    async def _enter_async(self, manager: Any) -> Any:
        """Enter it and remember it in one step of the loop: a time limit cannot come between."""
        loop = asyncio.get_running_loop()
        instance = await manager.__aenter__()
        self._stack.push_async_exit(partial(_leave_async, manager, loop))
        return instance

    async def _leave(self, manager: Any, *error: Any) -> None:
        """Returns nothing, and so does `_leave_async`: no dependency swallows the error of its task."""
        await self._call_to_end(manager.__exit__, *error)


async def _leave_async(manager: Any, loop: asyncio.AbstractEventLoop, *error: Any) -> None:
    async def leave() -> None:
        await manager.__aexit__(*error)

    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the one that does not raise
        await leave()
    else:  # in a slot thread
        asyncio.run_coroutine_threadsafe(leave(), loop).result()


def _enter(make: Callable[..., Any], needed: dict[str, Any]) -> tuple[Any, Any]:
    manager = make(**needed)
    return manager, manager.__enter__()


class SharedScope(Scope):
    """The instances of a worker or another component: each is opened once, on the event loop, for all who ask.

    The opening belongs to none of them: when the task that asked first is cancelled, the others get theirs.

    Args:
        find: the shared scope of that name.
    """

    def __init__(self, find: Callable[[ScopeEnum], SharedScope]) -> None:
        super().__init__(_await, _in_thread, _in_thread)
        self._find = find
        self._openings: dict[Callable[..., Any], asyncio.Task[Any]] = {}

    def ready(self, function: Callable[..., Any]) -> asyncio.Task[Any] | None:
        """The opening of an instance that is open already. Callable from any thread."""
        opening = self._openings.get(function)
        return opening if opening is not None and opening.done() else None

    async def get(self, function: Callable[..., Any]) -> Any:
        """The instance that a function makes. Call it on the event loop.

        Raises:
            Exception: what the function raised; who asks next has it tried again.
        """
        opening = self._openings.get(function)
        if opening is None:
            opening = self._openings[function] = asyncio.create_task(self._make(function))
            opening.add_done_callback(partial(self._forget_failed, function))
        return await asyncio.shield(opening)

    async def _make(self, function: Callable[..., Any]) -> Any:
        recipe = recipe_of(function)
        needed = {}
        for name, need in recipe.needs.items():
            needed[name] = await self._find(need.scope).get(in_force(need.function))
        return await self._open(recipe, needed)

    def _forget_failed(self, function: Callable[..., Any], opening: asyncio.Task[Any]) -> None:
        if opening.cancelled() or opening.exception() is not None:
            self._openings.pop(function, None)

    async def close(self) -> None:
        """Close all of them. What they raise is logged."""
        for opening in self._openings.values():
            opening.cancel()  # those that are not done
        await asyncio.gather(*self._openings.values(), return_exceptions=True)
        self._openings.clear()
        try:
            await self._stack.aclose()
        except Exception:
            log.exception("A shared dependency could not be closed.")


async def _await(answer: Awaitable[Any]) -> Any:
    return await answer


async def _in_thread(function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call something that blocks in a thread that ends with the process, however long the call takes."""
    answer: Future[Any] = Future()
    context = contextvars.copy_context()

    def call() -> None:
        try:
            answer.set_result(context.run(function, *args, **kw))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)

    answer.set_running_or_notify_cancel()  # from now on it cannot be called off
    threading.Thread(target=call, name="qtasks-dependency", daemon=True).start()
    return await asyncio.wrap_future(answer)


class TaskScope(Scope):
    """The instances of one attempt of one task: closed when its `async with` block ends.

    Whoever leads the attempt, the event loop or a slot thread, opens and closes them.

    Args:
        executor: of the attempt.
        find: the shared scope of that name.
    """

    def __init__(self, executor: TaskExecutor, find: Callable[[ScopeEnum], SharedScope]) -> None:
        super().__init__(executor.wait_for, executor.call_blocking, executor.call_off_loop)
        self._find = find
        self._instances: dict[Callable[..., Any], Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def get(self, dependency: Dependency) -> Any:
        """The instance of a dependency, opened on demand.

        Raises:
            BaseException: what its function raised.
        """
        function = in_force(dependency.function)
        if dependency.scope is not ScopeEnum.TASK:
            shared = self._find(dependency.scope)
            opening = shared.ready(function)
            return await self._wait(shared.get(function)) if opening is None else opening.result()
        if function not in self._instances:
            recipe = recipe_of(function)
            needed = {name: await self.get(need) for name, need in recipe.needs.items()}
            self._instances[function] = await self._open(recipe, needed)
        return self._instances[function]
