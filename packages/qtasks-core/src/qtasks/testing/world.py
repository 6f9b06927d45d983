"""Worlds: an application whose time stands still, and whose tasks run when the test says so.

The queue beneath, which tells when nothing is left to do, is in `ledger.py`. Both faces are here, over one
implementation: a burst worker that lives for one call of `run` or `advance`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol, Self, overload

from qtasks.app.application import Application
from qtasks.app.faces import AsyncQueueTasks, QueueTasks
from qtasks.app.starter import Starter
from qtasks.backends.memory import machine
from qtasks.codec import decode_value, encode_value
from qtasks.errors import ConfigError, LimitError
from qtasks.options import seconds
from qtasks.ports import BackendContext
from qtasks.result import Task
from qtasks.task import RegisteredTask
from qtasks.testing.ledger import Ledger, LedgerBroker
from qtasks.testing.memory import NAME, MovableClock, connected
from qtasks.types import SYSTEM_CLOCK, US_PER_S, TaskStatus

MOST_RUNS = 100_000
"""So many runs in one call mean that tasks add each other without end."""

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_US = dt.timedelta(microseconds=1)


class _World(AbstractContextManager[Any]):
    """What both faces share: the block, the time, what was added.

    Args:
        app: the application. Within the block it has an empty queue in memory.
        now: the time at the beginning, an aware datetime; None is the machine's.
        concurrency: how many tasks run at a time. With 1 they run one after the other, always in the same order; a
            task that waits for the result of another one needs more.

    Raises:
        ConfigError: `now` has no time zone.
    """

    def __init__(self, app: Application, *, now: dt.datetime | None = None, concurrency: int = 1) -> None:
        if now is not None and now.tzinfo is None:
            raise ConfigError(f"now: {now!r} has no time zone.", "Make it aware: datetime(..., tzinfo=UTC).")
        self._app = app
        self._clock = MovableClock(stands_at_us=SYSTEM_CLOCK.wall_us() if now is None else (now - _EPOCH) // _US)
        self._ledger = Ledger(BackendContext(namespace=app.name, clock=self._clock), concurrency, self._move_on)
        self._block = ExitStack()

    def __enter__(self) -> Self:
        self._block.enter_context(connected(self._app, LedgerBroker(self._ledger, NAME), self._clock))
        return self

    def __exit__(self, *_: object) -> None:
        self._block.close()

    @property
    def now(self) -> dt.datetime:
        """The time by which tasks are delayed, expire, are retried and scheduled, UTC."""
        return _EPOCH + self._clock.wall_us() * _US

    @property
    def added(self) -> list[Task[Any]]:
        """Every task that was added since the block began, in order, as it stands now."""
        return [Task(self._app.runtime, None, one.record) for one in self._ledger.added]

    def assert_enqueued(
        self, task: str | RegisteredTask[..., Any], *args: Any, count: int | None = None, **kwargs: Any
    ) -> list[Task[Any]]:
        """Fail unless calls of a task were added since the block began, whatever has become of them.

        Args:
            task: the task, or its name.
            args: its arguments, as they were given to `add_task`; without any, every call of it counts.
            count: how many calls there must be; None is at least one.
            kwargs: its keyword arguments.

        Returns:
            these calls, in order.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        name, added = task if isinstance(task, str) else task.task_name, self.added
        given: list[Any] = decode_value(encode_value([args, kwargs], name))
        found = [one for one in added if one.task_name == name and given in ([[], {}], [one.args, one.kwargs])]
        if len(found) == count or (count is None and found):
            return found
        call = f"{name}({_shown(*given) if args or kwargs else '...'})"
        expected = "at least once" if count is None else f"{count} times"
        rest = "".join(f"\n  {_shown_whole(one, self._clock.wall_us())}" for one in added) or " nothing."
        raise AssertionError(f"{call} was to be enqueued {expected}, and was {len(found)} times. Enqueued was:{rest}")

    # Time.

    async def _advance(self, by_s: float, *, check: bool) -> list[Task[Any]]:
        before = len(self._ledger.ended)
        self._goal_us = self._clock.wall_us() + round(by_s * US_PER_S)
        starter_class = self._app.starter_class or Starter
        slots = self._ledger.concurrency
        self._starter = starter_class(self._app, burst=True, concurrency=slots, max_tasks=MOST_RUNS + 1)
        await self._starter.serve()
        if self._starter.worker.quota <= 0:
            raise LimitError(
                f"More than {MOST_RUNS:,} tasks ran, and there are more.",
                "A task that always adds another one comes to no end: let it add that one with a delay.",
            )
        ended: list[Task[Any]] = [Task(self._app.runtime, None, record) for record in self._ledger.ended[before:]]
        for task in ended if check else []:
            if task.status in {TaskStatus.ERROR, TaskStatus.DEAD}:
                task.result()
        return ended

    async def _move_on(self) -> bool:
        """Go to the next moment at which there is something to do, or to the goal; False when it is there."""
        added = len(self._ledger.added)
        moments = await self._app.hooks.dispatch.worker_clock_moved(worker=self._starter.worker)
        if len(self._ledger.added) > added:
            return True
        with self._ledger.step() as state:
            moments = [*moments, machine.next_due(state) or 0, self._goal_us]
        now_us = self._clock.wall_us()
        ahead = [moment for moment in moments if now_us < moment <= self._goal_us]
        if ahead:
            self._clock.advance((min(ahead) - now_us) / US_PER_S)
        return bool(ahead)


class World(_World):
    """The blocking face, for `def` tests: tasks run in a thread of the world."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread = self._block.enter_context(ThreadPoolExecutor(1, "qtasks-world"))
        self._loop = asyncio.Runner()
        self._block.callback(lambda: self._thread.submit(self._loop.close).result())
        return self

    def run(self, *, check: bool = False) -> list[Task[Any]]:
        """Run all that is due now to its end, and what is added meanwhile. The time does not move.

        Args:
            check: raise when a task failed.

        Returns:
            the tasks that ended, in the order of their ends. A failed attempt that will be repeated is no end.

        Raises:
            TaskFailed: with `check`: the first failure.
            LimitError: 100,000 tasks ran, and there are more.
        """
        return self._wait_for(self._advance(0, check=check))

    def advance(self, by: float | str | dt.timedelta, *, check: bool = False) -> list[Task[Any]]:
        """Let time pass, and run what becomes due: delayed tasks, repetitions, schedules, each at its moment.

        Args:
            by: how far, seconds or a duration text such as "90s", "5m", "2h", "1d".
            check: raise when a task failed.

        Returns:
            the tasks that ended, in the order of their ends.

        Raises:
            TaskFailed: with `check`: the first failure.
            LimitError: 100,000 tasks ran, and there are more.
            ConfigError: `by` is no duration.
        """
        return self._wait_for(self._advance(seconds(by, "advance"), check=check))

    def _wait_for(self, run: Coroutine[Any, Any, list[Task[Any]]]) -> list[Task[Any]]:
        return self._thread.submit(self._loop.run, run).result()


class AsyncWorld(_World):
    """The awaitable face, for `async def` tests: tasks run on the event loop of the test."""

    async def run(self, *, check: bool = False) -> list[Task[Any]]:
        """Like `World.run`, awaited."""
        return await self._advance(0, check=check)

    async def advance(self, by: float | str | dt.timedelta, *, check: bool = False) -> list[Task[Any]]:
        """Like `World.advance`, awaited."""
        return await self._advance(seconds(by, "advance"), check=check)


class WorldFactory(Protocol):
    """What the fixture `qtasks_world` is."""

    @overload
    def __call__(self, app: QueueTasks, *, now: dt.datetime | None = ..., concurrency: int = ...) -> World: ...
    @overload
    def __call__(
        self, app: AsyncQueueTasks, *, now: dt.datetime | None = ..., concurrency: int = ...
    ) -> AsyncWorld: ...


def world_of(app: Application, **options: Any) -> Any:
    """Make a world of the application's own face."""
    return AsyncWorld(app, **options) if isinstance(app, AsyncQueueTasks) else World(app, **options)


def _shown(args: list[Any], kwargs: dict[str, Any]) -> str:
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


def _shown_whole(task: Task[Any], now_us: int) -> str:
    due_us = task.record.due if task.record else 0
    wait = f", due in {(due_us - now_us) / US_PER_S:,g} s" if due_us > now_us and not task.status.terminal else ""
    return f"{task.task_name}({_shown(task.args, task.kwargs)}): {task.status}{wait}"
