"""`AsyncTimer` and `SyncTimer`: processes of their own that enqueue tasks by schedules, in place of workers.

Event loops are imported when one runs: a program may import its timers without.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
from typing import TYPE_CHECKING, Any

import attrs
from qtasks.codec import encode_value
from qtasks.errors import ConfigError

from qtasks_plugins.schedules.schedule import Schedule, Timetable

if TYPE_CHECKING:
    import asyncio

    from qtasks.app.application import Application


class Timer:
    """What both faces share. Several timers with the same schedules enqueue each slot once, like workers do.

    Args:
        app: the application whose tasks are enqueued; they need not be registered in this process.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._timetable = Timetable()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None

    def add_task(
        self,
        task_name: str,
        *args: Any,
        trigger: Any,
        priority: int | None = None,
        timeout: float | None = None,  # noqa: ARG002 - programs written for QTasks 1.7 pass it
        **kwargs: Any,
    ) -> str:
        """Schedule calls of a task.

        Args:
            task_name: the task's name.
            args: positional arguments of each call.
            trigger: a cron expression, a trigger of APScheduler 3, or a `Schedule`, which then brings the arguments.
            priority: lower runs first; None takes the task's own.
            timeout: accepted for old programs and not used: a timer waits for no result.
            kwargs: keyword arguments of each call.

        Returns:
            the name of the schedule.

        Raises:
            ConfigError: the trigger is none, or the name of the schedule is taken.
            EncodeError: an argument cannot travel.
        """
        if not isinstance(trigger, Schedule):
            when = {"cron": trigger} if isinstance(trigger, str) else {"trigger": trigger}
            trigger = Schedule(**when, args=args, kwargs=kwargs, priority=priority)
        elif args or kwargs or priority is not None:
            raise ConfigError("The arguments and the priority of a Schedule are its own.", "Schedule(args=[...], ...)")
        if trigger.name is None:
            trigger = attrs.evolve(trigger, name=_name(task_name, trigger))
        return self._timetable.add(trigger, task_name, self._app.tasks.find(task_name))

    def run_forever(self) -> None:
        """Enqueue tasks at their times until SIGTERM, SIGINT or `stop()`.

        Raises:
            BackendError: the broker or the storage cannot be reached at the start.
        """
        import asyncio

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._run_with_signals())

    def stop(self) -> None:
        """End `run_forever`. Callable from any thread."""
        if self._running is not None:
            loop, task = self._running
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(task.cancel)

    async def _run_with_signals(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run())
        self._running = loop, task
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; another thread
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        from qtasks_plugins.schedules.scheduler import Scheduler

        link = self._app.runtime.link
        opened = link.opened
        await link.open()
        try:
            await Scheduler(self._app.runtime, self._timetable).run()
        finally:
            if not opened:  # else it is the program's
                await link.close()


def _name(task_name: str, schedule: Schedule) -> str:
    """What a schedule is called that has no name: timers of one application with other schedules do not replace it."""
    said = [schedule.when.expression, schedule.when.zone, schedule.args, schedule.kwargs, schedule.priority]
    digest = hashlib.blake2s(encode_value(said, f"the schedule of {task_name!r}"), digest_size=4)
    return f"timer.{task_name}.{digest.hexdigest()}"


class SyncTimer(Timer):
    """A timer of an application of `qtasks`."""


class AsyncTimer(Timer):
    """A timer of an application of `qtasks.asyncio`; `await timer.run()` runs it on a loop of the program's own."""

    async def run(self) -> None:
        """Enqueue tasks at their times until cancelled."""
        await self._run()
