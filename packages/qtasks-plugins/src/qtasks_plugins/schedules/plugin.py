"""The plugin `schedules`: takes the schedules of tasks from their decorators, and has workers look after them.

An application without schedules pays nothing for it, and what schedules need is imported when there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtasks.errors import ConfigError, did_you_mean
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    import asyncio

    from qtasks.registry import TaskDefinition

    from qtasks_plugins.schedules.schedule import Timetable
    from qtasks_plugins.schedules.scheduler import Scheduler

WORDS = frozenset({"cron", "every", "schedule", "tz", "missed", "overlap"})
"""The words of `@app.task(...)` that are ours."""


class SchedulesPlugin(Plugin):
    """One per application."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    name = "schedules"

    def __init__(self) -> None:
        self._timetable: Timetable | None = None
        self._at_work: dict[object, tuple[Scheduler, asyncio.Task[None]]] = {}

    @hookimpl
    def register_task(self, task_func: TaskDefinition) -> None:
        """Take the schedules of a task; what looks like a slip of our words would leave it without."""
        extra = task_func.options.extra
        for word in extra:
            if word not in WORDS and (hint := did_you_mean(word, WORDS, least=0.8)):
                raise ConfigError(f"A task has no option {word!r}.", hint)
        if WORDS.isdisjoint(extra):
            return
        from qtasks_plugins.schedules.fitting import check_call
        from qtasks_plugins.schedules.schedule import Timetable, schedules_of

        self._timetable = known = self._timetable or Timetable()
        grown = Timetable(known)
        for schedule in schedules_of(task_func):
            check_call(task_func, schedule)
            grown.add(schedule, task_func.name, task_func)
        known.update(grown)  # all of them or none

    @hookimpl
    def register_commands(self, register: Callable[..., None]) -> None:
        """`qtasks schedule`."""
        register(
            "schedule", "qtasks_plugins.schedules.commands:schedule", help="Look at schedules, pause or trigger them."
        )

    @hookimpl
    def register_stats(self, register: Callable[..., None]) -> None:
        """`qtasks stats inspect schedules`."""
        register("schedules", "qtasks_plugins.schedules.control:section", help="When tasks are enqueued by themselves.")

    @hookimpl
    async def worker_start(self, worker: Any) -> None:
        """Begin to look after the schedules; any number of workers may."""
        if not self._timetable:
            return
        import asyncio

        from qtasks_plugins.schedules.scheduler import Scheduler

        scheduler = Scheduler(worker.runtime, self._timetable)
        self._at_work[worker] = scheduler, asyncio.create_task(scheduler.run(), name="qtasks-schedules")

    @hookimpl
    async def worker_clock_moved(self, worker: Any) -> int | None:
        """Enqueue what is due now, at once."""
        if worker not in self._at_work:
            return None
        scheduler, _ = self._at_work[worker]
        return await scheduler.enqueue_due()

    @hookimpl
    async def worker_stop(self, worker: Any) -> None:
        """Stop looking after them."""
        if worker in self._at_work:
            import asyncio

            _, task = self._at_work.pop(worker)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
