"""What a task sees of itself: `echo=True` puts a bound task object first, its `.ctx` is the context.

Both have the face of the task's function: awaitable in an `async def`, blocking in a `def`.
"""

from __future__ import annotations

import contextvars
import logging
import time
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from qtasks.errors import ConfigError, TaskCancelError, TaskPluginTriggerError
from qtasks.result import Task
from qtasks.runtime import Home
from qtasks.task import AsyncTask, RegisteredTask, SyncTask

if TYPE_CHECKING:
    from qtasks.config import QueueConfig
    from qtasks.executor.executor import TaskExecutor
    from qtasks.runtime import Link

current_executor: contextvars.ContextVar[TaskExecutor | None] = contextvars.ContextVar("qtasks_executor", default=None)
"""The executor of the attempt that runs in this context; for log records and plugins."""


class TaskContext:
    """What an attempt may ask about itself. The two faces differ in what has to wait.

    Attributes:
        task_name: the name of the task.
        task_uuid: its id.
        attempt: attempts that ended before this one.
        delivery: a number that grows with every handing-over of the task: a fencing token for writes of
            your own.
        generate_handler: the task's handler of yielded values.
    """

    def __init__(self, executor: TaskExecutor) -> None:
        self._executor = executor
        self._metadata: Task[Any] | None = None
        self.task_name: str = executor.task_broker.task
        self.task_uuid = executor.task_broker.uuid
        self.attempt = executor.delivery.attempt
        self.delivery = executor.delivery.token
        self.generate_handler = executor.task_func.options.generate_handler

    @staticmethod
    def of(executor: TaskExecutor) -> TaskContext:
        """The context with the face of the executor's function."""
        return SyncContext(executor) if executor.task_func.in_thread else AsyncContext(executor)

    def get_logger(self, name: str | None = None) -> logging.Logger:
        """A logger; its records carry the task's id, name and attempt."""
        return logging.getLogger(name or f"qtasks.task.{self.task_name}")

    def get_config(self) -> QueueConfig:
        """The application's settings."""
        return self._executor.runtime.config

    def get_component(self, name: str) -> Any:
        """A part of the application.

        Args:
            name: broker, storage, global_config, worker, executor, app, hooks, config or registry.

        Raises:
            ConfigError: there is no such part.
        """
        runtime = self._executor.runtime
        parts = {
            "broker": runtime.link.broker,
            "storage": runtime.link.storage,
            "global_config": runtime.link.global_config,
            "worker": self._executor.run.worker,
            "executor": self._executor,
            "app": runtime.app,
            "hooks": runtime.hooks,
            "config": runtime.config,
            "registry": runtime.registry,
        }
        if name not in parts:
            raise ConfigError(f"There is no component {name!r}. There are: {', '.join(parts)}.")
        return parts[name]

    def cancel(self, reason: str = "") -> NoReturn:
        """End this task with status `cancel`.

        Raises:
            TaskCancelError: always; let it pass.
        """
        raise TaskCancelError(reason)

    def plugin_error(self, **kw: Any) -> NoReturn:
        """Hand keywords to the hook `task_executor_run_task_trigger_error`.

        Raises:
            TaskPluginTriggerError: always; let it pass.
        """
        raise TaskPluginTriggerError(**kw)

    async def _read(self, link: Link, cache: bool) -> Task[Any]:
        if self._metadata is None or not cache:
            (record,) = await link.storage.get_many([self._executor.task_broker.id])
            self._metadata = Task(self._executor.runtime, self._executor.task_broker, record)
        return self._metadata

    async def _find(self, link: Link, uuid: UUID | str) -> Task[Any] | None:
        found: Task[Any] | None = await self._executor.runtime.app.read(link, uuid)
        return found


class AsyncContext(TaskContext):
    """The context of an `async def`."""

    async def get_metadata(self, cache: bool = True) -> Task[Any]:
        """The task's own handle; `cache=False` reads it anew."""
        return await self._executor.runtime.run_async(lambda link: self._read(link, cache))

    async def get_task(self, uuid: UUID | str) -> Task[Any] | None:
        """The handle of another task; None when it is unknown."""
        return await self._executor.runtime.run_async(lambda link: self._find(link, uuid))

    async def sleep(self, seconds: float) -> None:
        """Wait; other tasks go on."""
        import asyncio

        await asyncio.sleep(seconds)


class SyncContext(TaskContext):
    """The context of a `def`."""

    def get_metadata(self, cache: bool = True) -> Task[Any]:
        """The task's own handle; `cache=False` reads it anew."""
        return self._executor.runtime.run_blocking(lambda link: self._read(link, cache))

    def get_task(self, uuid: UUID | str) -> Task[Any] | None:
        """The handle of another task; None when it is unknown."""
        return self._executor.runtime.run_blocking(lambda link: self._find(link, uuid))

    def sleep(self, seconds: float) -> None:
        """Wait; the slot is busy meanwhile."""
        time.sleep(seconds)


class BoundTask:
    """The task as it sees itself: its context, its options, and `add_task` for more calls of it.

    Every option of the task is an attribute: `self.retry`, `self.priority`, `self.tags`...
    """

    def __init__(self, task: SyncTask[Any, Any] | AsyncTask[Any, Any], ctx: TaskContext) -> None:
        self._task = task
        self.ctx: Any = ctx
        self.add_task: Any = task.add_task

    def __getattr__(self, name: str) -> Any:
        task: RegisteredTask[Any, Any] = self.__dict__["_task"]
        options = task.definition.options
        if name in options.extra:
            return options.extra[name]
        if name.startswith("_") or not hasattr(options, name):
            raise AttributeError(f"{self!r} has no attribute {name!r}: neither option nor context.")
        return getattr(options, name)

    def __repr__(self) -> str:
        return f"<bound task {self.ctx.task_name} {self.ctx.task_uuid.hex}>"


class BoundSyncTask(BoundTask):
    """Of a `def`."""

    ctx: SyncContext


class BoundAsyncTask(BoundTask):
    """Of an `async def`."""

    ctx: AsyncContext


def bind(executor: TaskExecutor) -> BoundTask:
    """The bound task object of an attempt, which `echo=True` puts first among the arguments."""
    home = Home(executor.runtime)
    if executor.task_func.in_thread:
        return BoundSyncTask(SyncTask(executor.task_func, home), executor.ctx)
    return BoundAsyncTask(AsyncTask(executor.task_func, home), executor.ctx)
