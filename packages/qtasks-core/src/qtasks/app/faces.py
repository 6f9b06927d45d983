"""`QueueTasks` in its two faces: blocking and awaitable. Everything they do is in `application.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from typing import Any, overload
from uuid import UUID

from qtasks.app.application import Application
from qtasks.ports import CancelAnswer
from qtasks.result import Task
from qtasks.router import AsyncDeclarations, SyncDeclarations
from qtasks.task import PreparedCall


class Runs(Application):
    """How a worker runs in the current process: the same for both faces."""

    def run_forever(
        self,
        loop: Any = None,  # noqa: ARG002 - programs written for QTasks 1.7 pass it
        starter: Any = None,
        num_workers: int = 4,  # noqa: ARG002 - likewise
        reset_config: bool = True,  # noqa: ARG002 - likewise
    ) -> None:
        """Run one worker in this process until SIGTERM, SIGINT or `stop()`.

        Args:
            loop: accepted for old programs and not used: the worker brings its loop.
            starter: the class that runs the worker; None takes the application's.
            num_workers: accepted for old programs and means nothing: `max_tasks_process` says how many
                tasks run at a time, `qtasks run -p` how many processes.
            reset_config: accepted for old programs.

        Raises:
            BackendError: the broker cannot be reached.
        """
        from qtasks.app.starter import Starter

        self.starter = (starter or self.starter_class or Starter)(self)
        self.starter.run()

    def stop(self) -> None:
        """Stop the worker that `run_forever` runs: it finishes what it can in its grace. From any thread."""
        if hook := self.hooks.dispatch.qtasks_stop:  # asked, because the call below opens connections
            self.runtime.run_blocking(lambda _link: hook(qtasks=self, starter=self.starter), "stop()")
        if self.starter is not None:
            self.starter.stop()


class _Done:
    """What need not be awaited and may be, of what is done at once."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class QueueTasks(SyncDeclarations, Runs):
    """The blocking face of an application; see `Application` for the arguments."""

    @overload
    def add_task(
        self, task_name: str, *args: Any, priority: int | None = ..., timeout: None = ..., **kwargs: Any
    ) -> Task[Any]: ...
    @overload
    def add_task(
        self, task_name: str, *args: Any, priority: int | None = ..., timeout: float, **kwargs: Any
    ) -> Task[Any] | None: ...
    def add_task(
        self, task_name: str, *args: Any, priority: int | None = None, timeout: float | None = None, **kwargs: Any
    ) -> Task[Any] | None:
        """Add a call of a task by its name; it need not be registered in this process.

        Args:
            task_name: its exact name.
            args: its arguments.
            priority: lower runs first; None takes the task's own.
            timeout: wait so many seconds for its end.
            kwargs: its keyword arguments.

        Returns:
            the handle; with a timeout the ended task, or None when time is up.

        Raises:
            BackendError: the broker did not take it.
            EncodeError: an argument cannot travel; the message holds its path.
        """
        make = self._add_one(task_name, args, kwargs, priority, timeout)
        return self.runtime.run_blocking(make, "add_task()", task_name)

    def add_tasks(self, calls: Sequence[PreparedCall[Any]]) -> list[Task[Any]]:
        """Add prepared calls in one round trip, all or none.

        Args:
            calls: `task(...)` or `task.options(...)(...)` of any tasks. A `timeout` among their options
                waits for nothing here.

        Returns:
            the handles, in order.
        """
        return self.runtime.run_blocking(self._add_many(calls), "add_tasks()")

    def get(self, uuid: UUID | str) -> Task[Any] | None:
        """The task of an id; None when it is unknown or no longer kept."""
        return self.runtime.run_blocking(lambda link: self.read(link, uuid), "get()")

    def cancel(self, uuid: UUID | str, reason: str = "") -> CancelAnswer:
        """Cancel a task: at once while it waits, by request while it runs.

        Returns:
            `cancelled`, `requested`, `finished` or `unknown`.
        """
        return self.runtime.run_blocking(lambda link: self._cancel(link, uuid, reason), "cancel()")

    def ping(self, server: bool = True) -> bool:
        """True when the broker answers.

        Raises:
            BackendError: it does not.
        """
        return self.runtime.run_blocking(self._ping, "ping()") if server else True

    def flush_all(self) -> None:
        """Delete every task of this name, waiting or ended. What runs goes on, and is forgotten when it ends."""
        self.runtime.run_blocking(self._flush_all, "flush_all()")

    def close(self) -> None:
        """Close the connections of the calling face; the next call opens them again."""
        self.runtime.close_blocking()


class AsyncQueueTasks(AsyncDeclarations, Runs):
    """The awaitable face of an application; see `Application` for the arguments."""

    @overload
    async def add_task(
        self, task_name: str, *args: Any, priority: int | None = ..., timeout: None = ..., **kwargs: Any
    ) -> Task[Any]: ...
    @overload
    async def add_task(
        self, task_name: str, *args: Any, priority: int | None = ..., timeout: float, **kwargs: Any
    ) -> Task[Any] | None: ...
    async def add_task(
        self, task_name: str, *args: Any, priority: int | None = None, timeout: float | None = None, **kwargs: Any
    ) -> Task[Any] | None:
        """Like `QueueTasks.add_task`, awaited."""
        return await self.runtime.run_async(self._add_one(task_name, args, kwargs, priority, timeout))

    async def add_tasks(self, calls: Sequence[PreparedCall[Any]]) -> list[Task[Any]]:
        """Like `QueueTasks.add_tasks`, awaited."""
        return await self.runtime.run_async(self._add_many(calls))

    async def get(self, uuid: UUID | str) -> Task[Any] | None:
        """Like `QueueTasks.get`, awaited."""
        return await self.runtime.run_async(lambda link: self.read(link, uuid))

    async def cancel(self, uuid: UUID | str, reason: str = "") -> CancelAnswer:
        """Like `QueueTasks.cancel`, awaited."""
        return await self.runtime.run_async(lambda link: self._cancel(link, uuid, reason))

    async def ping(self, server: bool = True) -> bool:
        """Like `QueueTasks.ping`, awaited."""
        return await self.runtime.run_async(self._ping) if server else True

    def stop(self) -> Awaitable[None]:  # type: ignore[override]  # who expects nothing may leave it
        """Like `QueueTasks.stop`, at once; it may also be awaited, as in programs for QTasks 1.7."""
        super().stop()
        return _Done()

    async def flush_all(self) -> None:
        """Like `QueueTasks.flush_all`, awaited."""
        await self.runtime.run_async(self._flush_all)

    async def close(self) -> None:
        """Close the connections of the calling loop, and those of blocking tasks; the next call opens them again."""
        if self.runtime.link.opened:
            await self.runtime.link.close()
        self.runtime.close_blocking()
