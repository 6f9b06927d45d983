"""The slots: long-lived coroutines and threads that pull runs from a queue and hand back outcomes.

A coroutine that does not suspend costs neither an asyncio task nor a wake-up; a thread pulls its next
run without asking the loop (measured: `docs/explanation/performance.md`).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from qtasks.executor.execution import Interrupt, Run, describe, ended, execute
from qtasks.message import Outcome
from qtasks.runtime import drive
from qtasks.types import TaskStatus

STEP_S = 0.01
"""How long one slot may go on with runs that never suspend before the loop gets a turn."""

CLOSE_S = 1.0
"""How long a slot may take to end; a task that swallows its cancellation is left behind."""

MayStart = Callable[[Run], bool]
Done = Callable[[Run, Outcome | None], None]

log = logging.getLogger("qtasks.worker")


class CoroutineSlots:
    """Slots on the event loop: asynchronous tasks, and all whose hooks or executor have to await.

    Args:
        count: how many run at a time.
        may_start: asked before each run; False drops it (it is not ours any more).
        done: called with each run and its outcome.

    Attributes:
        last: the task of the run that ended last; empty while there was none.
    """

    def __init__(self, count: int, may_start: MayStart, done: Done) -> None:
        self.waiting: deque[Run] = deque()
        self.running: set[Run] = set()
        self.last = ""
        self._count = count
        self._may_start = may_start
        self._done = done
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._base = contextvars.copy_context()
        self._inherited = tuple(self._base.items())

    def push(self, run: Run) -> None:
        """Queue a run and wake a slot for it."""
        self.waiting.append(run)
        while self._idle:
            future = self._idle.pop()
            if not future.done():  # a slot that somebody has cancelled hears nothing
                future.set_result(None)
                return
        if len(self._tasks) < self._count:
            self._start_slot()

    def _start_slot(self) -> None:
        task = asyncio.get_running_loop().create_task(self._slot(), context=self._base.copy())
        self._tasks.add(task)
        task.add_done_callback(self._slot_ended)

    def _slot_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A slot ended with an error of ours; it is replaced.", exc_info=task.exception())
        if self.waiting and not self._closed:
            self._start_slot()

    async def _slot(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while True:
            turn_ends = time.monotonic() + STEP_S
            while self.waiting:
                run = self.waiting.popleft()
                if self._may_start(run):
                    run.leader = task
                    self.running.add(run)
                    outcome = await execute(run)
                    self.running.discard(run)
                    self.last = run.message.task
                    self._done(run, outcome)
                if self._closed or self._is_used(task):
                    return  # the next run gets a fresh slot
                # Also after a run that has waited: its outcome goes out before the slot runs more, so that a death
                # repeats no more tasks than there are slots.
                if time.monotonic() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = time.monotonic() + STEP_S
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    def hold(self) -> list[Run]:
        """Start nothing more. Returns what had not started."""
        held = list(self.waiting)
        self.waiting.clear()
        return held

    def _is_used(self, task: asyncio.Task[None]) -> bool:
        """True when a run has left something behind: context variables, or a cancellation of the slot."""
        variables = contextvars.copy_context()
        if task.cancelling() or len(variables) > len(self._base) + 1:  # one is the current executor
            return True
        return any(variables[variable] is not value for variable, value in self._inherited)

    async def close(self) -> None:
        """End the slots; whatever still runs is cancelled."""
        self._closed = True
        for run in self.running:
            run.interrupted = run.interrupted or Interrupt.DRAIN
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)


class Threads:
    """Daemon threads, as many as there are calls at a time: a call finds one that rests, or a new one is started.

    Unlike those of `concurrent.futures` they are not waited for when the interpreter ends.

    Args:
        name: what their names begin with.
    """

    def __init__(self, name: str) -> None:
        self.started = 0
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], Callable[[], None]] | None] = queue.SimpleQueue()
        self._resting: deque[bool] = deque()

    def call(self, function: Callable[[], Callable[[], None]]) -> None:
        """Have a thread call something that raises nothing, then what it returned, already as one that rests."""
        self._calls.put(function)
        try:
            self._resting.pop()  # whoever rests is spoken for at once, even if it has not heard yet
        except IndexError:
            threading.Thread(target=self._serve, name=f"{self._name}-{self.started}", daemon=True).start()
            self.started += 1

    async def answer(self, function: Callable[[], Any]) -> Any:
        """Call something in a thread, and await what it returns or raises."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # from now on it cannot be called off

        def settle() -> Callable[[], None]:
            try:
                return partial(future.set_result, function())
            except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
                return partial(future.set_exception, error)

        self.call(settle)
        return await asyncio.wrap_future(future)

    def _serve(self) -> None:
        while (function := self._calls.get()) is not None:
            ending = function()
            self._resting.append(True)
            ending()
            del function, ending  # who rests holds on to nothing

    def close(self) -> None:
        """End the threads that rest, and each other one when its call has ended."""
        for _ in range(self.started):
            self._calls.put(None)


class ThreadSlots:
    """Slot threads: blocking functions and generators, hooks and all.

    Args:
        count: how many run at a time; threads are started when they are needed.
        may_start: as above.
        done: called in the slot's thread.
    """

    def __init__(self, count: int, may_start: MayStart, done: Done) -> None:
        self.waiting: deque[Run] = deque()
        self.running: set[Run] = set()
        self._may_start = may_start
        self._done = done
        self._threads = Threads("qtasks-slot")
        self._free = deque([True] * count)
        self._held = False
        self._base = contextvars.copy_context()

    def push(self, run: Run) -> None:
        """Queue a run and wake a slot for it."""
        self.waiting.append(run)
        self._wake()

    def _wake(self) -> None:
        try:
            self._free.pop()
        except IndexError:  # all are at work, and look for more by themselves
            return
        self._threads.call(self._slot)

    def _slot(self) -> Callable[[], None]:
        while self.waiting:
            try:
                run = self.waiting.popleft()
            except IndexError:  # another slot was faster
                break
            self.running.add(run)  # before it asks: who has called `hold` looks here
            if self._held:
                self._done(run, Outcome(run.delivery, TaskStatus.NEW, worker=run.worker.name))
            elif self._may_start(run):
                self._done(run, self._base.copy().run(_drive, run))
            self.running.discard(run)  # after its outcome is known, for the same reason
        return self._free_again

    def _free_again(self) -> None:
        self._free.append(True)
        if self.waiting:  # pushed since it looked, when it was not free yet
            self._wake()

    def hold(self) -> list[Run]:
        """Start nothing more; a thread that has just picked up a run hands it back. Returns what had not started."""
        self._held = True
        held: list[Run] = []
        with contextlib.suppress(IndexError):
            while True:
                held.append(self.waiting.popleft())
        return held

    def close(self) -> None:
        """End the threads that rest; one that is in a blocking call ends with the process."""
        self._threads.close()


def _drive(run: Run) -> Outcome | None:
    try:
        return drive(execute(run))
    except Exception as error:  # noqa: BLE001 - an executor that waits for a loop fails its task, not the slot
        return ended(run, TaskStatus.ERROR, describe(error))
