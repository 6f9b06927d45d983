"""The way back: outcomes and stream values gather here and are written in one step per batch.

While one flush is under way the next outcomes gather; an idle worker flushes at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from qtasks.errors import BackendError, in_a_line
from qtasks.executor.execution import Run, checked, describe
from qtasks.message import Outcome, StreamItem
from qtasks.types import US_PER_S, TaskStatus
from qtasks.worker.backoff import Backoff

if TYPE_CHECKING:
    from qtasks.worker.worker import Worker

RECENT_S = 0.02
"""Over how long finished runs are counted for the prefetch, seconds."""

BATCH = 1000
"""How many outcomes one flush carries at most."""

MAX_ITEMS = 256
"""How many stream values may wait to be written before their generators wait, too."""

log = logging.getLogger("qtasks.worker")


class Flusher:
    """Writes outcomes until it is told to stop and nothing is left."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._outcomes: list[tuple[Run | None, Outcome]] = []
        self._items: list[StreamItem] = []
        self._flushing: list[tuple[Run | None, Outcome]] = []
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._lock = asyncio.Lock()
        self._rung = False
        self._recent: deque[tuple[float, int]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    @property
    def pending(self) -> int:
        """Outcomes that are not written yet."""
        return len(self._outcomes) + len(self._flushing)

    def add(self, run: Run | None, outcome: Outcome) -> None:
        """Take an outcome. Callable from slot threads; one wake-up serves all until the next flush."""
        self._outcomes.append((run, outcome))
        self._ring()

    def emit(self, item: StreamItem) -> Awaitable[None] | None:
        """Take a stream value. Callable from slot threads.

        Returns:
            what to wait for on the loop before the next one, when too many are not written yet.
        """
        self._items.append(item)
        self._ring()
        return None if len(self._items) < MAX_ITEMS else self._items_taken()

    async def _items_taken(self) -> None:
        while len(self._items) >= MAX_ITEMS:
            self._taken.clear()
            await self._taken.wait()

    def _ring(self) -> None:
        if threading.get_ident() == self._loop_thread:
            self._wake.set()
        elif not self._rung:
            self._rung = True
            with contextlib.suppress(RuntimeError):  # the worker has gone without this run, and its loop with it
                self._loop.call_soon_threadsafe(self._wake.set)

    def names(self) -> set[str]:
        """The tasks whose outcomes are not written yet."""
        return {run.message.task for run, _ in [*self._outcomes, *self._flushing] if run is not None}

    def recent(self) -> int:
        """How many runs were finished in the last 20 ms."""
        horizon = time.monotonic() - RECENT_S
        while self._recent and self._recent[0][0] < horizon:
            self._recent.popleft()
        return sum(count for _, count in self._recent)

    async def run(self) -> None:
        """Flush whenever there is something, until cancelled."""
        while True:
            await self._wake.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what has gathered; returns when it is written or was found to be no longer ours."""
        async with self._lock:
            self._wake.clear()
            self._rung = False
            while self._outcomes or self._items:
                # Slot threads append meanwhile: slices of a list are taken and deleted in one step each.
                self._flushing = self._outcomes[:BATCH]
                del self._outcomes[: len(self._flushing)]
                items = self._items[:]
                del self._items[: len(items)]
                self._taken.set()
                try:
                    await self._write(items)
                except BaseException:  # who drains tries once more: nothing is lost with a cancelled flush
                    self._outcomes[:0], self._items[:0] = self._flushing, items
                    self._flushing = []
                    raise
                ran = sum(outcome.status is not TaskStatus.NEW for _, outcome in self._flushing)
                self._recent.append((time.monotonic(), ran))  # what is handed back is no reason to take more
                self._flushing = []
                self._worker.room.set()

    async def _write(self, items: list[StreamItem]) -> None:
        worker = self._worker
        batch = [(run, outcome) for run, outcome in self._flushing if worker.owns(outcome.delivery)]
        worker.refused += len(self._flushing) - len(batch)
        hooks = worker.runtime.hooks.dispatch
        if (
            hooks.storage_update
            or hooks.broker_update
            or hooks.worker_remove_finished_task
            or hooks.broker_remove_finished_task
        ):
            batch = [(run, await self._before(run, outcome)) for run, outcome in batch]
        outcomes = [outcome for _, outcome in batch]
        refused = await self._finish(outcomes, [item for item in items if worker.owns(item.delivery)])
        worker.refused += len(refused)
        written = [pair for pair in batch if pair[1].delivery.id not in refused] if refused else batch
        for _, outcome in batch:
            worker.forget(outcome.delivery)
        for run, outcome in written:
            if run is not None:
                worker.counters.count(run, outcome)
        if worker.stopping:
            worker.handed_back += sum(outcome.status is TaskStatus.NEW for _, outcome in written)
        if log.isEnabledFor(logging.DEBUG):
            _tell(written)
        if hooks.storage_remove_finished_task or hooks.worker_execute_after:
            for run, outcome in written:
                await self._after(run, outcome)

    async def _finish(self, outcomes: list[Outcome], items: list[StreamItem]) -> list[str]:
        """Write a batch; what fails is tried again until it is written or the lease is lost.

        Raises:
            BackendError: it failed, and the grace of a stopping worker is over.
        """
        if not outcomes and not items:
            return []
        worker = self._worker
        backoff = Backoff()
        while worker.lease.held():
            try:
                if not worker.link.shared:
                    await worker.link.storage.finish(outcomes, items)
                refused = await worker.link.broker.finish(worker.lease.owner, outcomes, items)
                backoff.reset()
                return refused
            except BackendError as error:
                if worker.out_of_time:
                    raise  # the tasks run again: a worker that cannot write must still end
                worker.in_doubt = True
                backoff.note("Results could not be written", error)
                await backoff.sleep()
            except Exception as error:
                if len(outcomes) <= 1:
                    return await self._bury(outcomes, error)
                log.exception("A batch of outcomes was refused by the backend; writing them one by one.")
                refused = []
                for outcome in outcomes:
                    mine = [item for item in items if item.delivery is outcome.delivery]
                    refused += await self._finish([outcome], mine)
                return refused
        return [outcome.delivery.id for outcome in outcomes]

    async def _bury(self, outcomes: list[Outcome], error: Exception) -> list[str]:
        """Write the error in the place of an outcome that the backend cannot take."""
        log.error("An outcome cannot be written; its task ends as an error: %s", in_a_line(error))
        for outcome in outcomes:
            plain = replace(outcome, status=TaskStatus.ERROR, result=None, error=describe(error))
            try:
                return await self._worker.link.broker.finish(self._worker.lease.owner, [plain])
            except Exception:
                log.exception("Task %s keeps its delivery until the lease ends.", outcome.delivery.id)
        return []

    async def _before(self, run: Run | None, outcome: Outcome) -> Outcome:
        """The hooks before the flush; where a plugin fails, the task does, and not the worker."""
        try:
            return await self._replaced(run, outcome)
        except Exception as error:
            if outcome.status is TaskStatus.NEW:  # a hand-back stands: its task did not run
                log.exception("A plugin failed while task %s was handed back.", outcome.delivery.id)
                return outcome
            keep_s = self._worker.runtime.config.failure_ttl
            return replace(outcome, status=TaskStatus.ERROR, result=None, error=describe(error), due=0, keep_s=keep_s)

    async def _replaced(self, run: Run | None, outcome: Outcome) -> Outcome:
        """What the hooks before the flush make of an outcome, in the order of `docs/reference/hooks.md`."""
        hooks, link = self._worker.runtime.hooks.dispatch, self._worker.link
        definition, message = (None, None) if run is None else (run.plan.definition, run.message)
        delivery = outcome.delivery
        for hook, component in ((hooks.storage_update, "storage"), (hooks.broker_update, "broker")):
            if hook:
                fields = {field: getattr(outcome, field) for field in ("status", "result", "error", "due", "keep_s")}
                fields = await hook(kw=fields, **{component: getattr(link, component)})
                outcome = checked(f"{component}_update", replace(outcome, **fields), delivery)
        values: dict[str, Any] = await hooks.worker_remove_finished_task(
            worker=self._worker, broker=link.broker, task_func=definition, task_broker=message, model=outcome
        )
        outcome = checked("worker_remove_finished_task", values["model"], delivery)
        model = await hooks.broker_remove_finished_task(broker=link.broker, storage=link.storage, model=outcome)
        outcome = checked("broker_remove_finished_task", model, delivery)
        return outcome

    async def _after(self, run: Run | None, outcome: Outcome) -> None:
        hooks = self._worker.runtime.hooks.dispatch
        definition, message = (None, None) if run is None else (run.plan.definition, run.message)
        await hooks.storage_remove_finished_task(storage=self._worker.link.storage, task_broker=message, model=outcome)
        await hooks.worker_execute_after(worker=self._worker, task_func=definition, task_broker=message, model=outcome)


def _tell(written: list[tuple[Run | None, Outcome]]) -> None:
    """What ended well or was cancelled; the executor tells of errors."""
    for run, outcome in written:
        if run is not None and outcome.status in {TaskStatus.SUCCESS, TaskStatus.CANCEL}:
            ran_s = (outcome.finished - outcome.started) / US_PER_S if outcome.started else 0.0
            log.debug("Task %s %s ended as %s in %.3f s.", run.message.task, run.message.id, outcome.status, ran_s)
