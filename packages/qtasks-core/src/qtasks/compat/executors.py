"""The executors that programs of QTasks 1.7 subclass: awaitable steps, or plain ones over the same implementation."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from qtasks.executor.executor import TaskExecutor
from qtasks.runtime import drive

if TYPE_CHECKING:
    from qtasks.executor.execution import Run

STEPS = ("execute", "prepare", "run_task", "call_function", "on_error", "decode")


class AsyncTaskExecutor(TaskExecutor):
    """Steps are `async def` and may await anything, also around a blocking task."""

    suspends: ClassVar[bool] = True


class SyncTaskExecutor(TaskExecutor):
    """Steps are `def`, and `super().run_task()` blocks; for blocking tasks.

    What the worker runs is a `_Leader`, whose steps ask those of this object. Both have the same attributes.
    """

    _leader: TaskExecutor

    def __new__(cls, run: Run) -> Any:
        """Make the pair and return the leader."""
        executor, leader = super().__new__(cls), _Leader.__new__(_Leader)
        executor.__dict__ = leader.__dict__
        executor._leader, leader.plain = leader, executor
        cls.__init__(executor, run)  # which Python calls for objects of this class only
        return leader


class _Leader(TaskExecutor):
    """The steps as the worker awaits them; middlewares and plugins find what the plain one has besides."""

    plain: SyncTaskExecutor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["plain"], name)


def _blocking(step: str) -> Callable[..., Any]:
    """A step of ours as a plain method: in the slot's thread, or in another while the event loop leads."""
    ours: Callable[..., Any] = getattr(TaskExecutor, step)

    def run(self: SyncTaskExecutor, *args: Any) -> Any:
        coroutine = ours(self._leader, *args)
        return self.run.worker.wait_on_loop(coroutine, self.run.left_s) if self.plan.on_loop else drive(coroutine)

    return run


def _asking(step: str) -> Callable[..., Awaitable[Any]]:
    """A step that asks the plain one, if a program has overridden it."""
    ours: Callable[..., Awaitable[Any]] = getattr(TaskExecutor, step)
    blocking = getattr(SyncTaskExecutor, step)

    async def ask(self: _Leader, *args: Any) -> Any:
        if getattr(type(self.plain), step) is blocking:
            return await ours(self, *args)
        answer = await self.call_off_loop(getattr(self.plain, step), *args)
        return await answer if inspect.isawaitable(answer) else answer

    return ask


for _step in STEPS:
    setattr(SyncTaskExecutor, _step, _blocking(_step))
    setattr(_Leader, _step, _asking(_step))
