"""`Worker`: the life of one worker process, from joining to the hand-back at its end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from qtasks.errors import BackendError, ConfigError, LeaseLostError, in_a_line
from qtasks.executor.execution import Interrupt, Run, ended
from qtasks.executor.limits import ThreadTimeLimitExceeded
from qtasks.message import Delivery, ErrorInfo, Outcome, StreamItem
from qtasks.options import check_name
from qtasks.runtime import Link, Runtime
from qtasks.types import TaskStatus
from qtasks.worker.backoff import Backoff
from qtasks.worker.counters import Counters, facts, rss_bytes
from qtasks.worker.flush import Flusher
from qtasks.worker.intake import Intake
from qtasks.worker.lease import BEATS_PER_LEASE, Announce, Lease, Retiring
from qtasks.worker.requests import Requests
from qtasks.worker.slots import CoroutineSlots, Threads, ThreadSlots

TICK_S = 0.5
"""How often the worker looks at its lease and its loop."""

DRAIN_STEP_S = 0.05
"""How often a draining worker looks whether its runs have ended."""

INTERRUPTED_S = 1.0
"""How long a task that was cancelled at the end of the grace may take to clean up."""

LAG_WARNING_S = 5.0
"""A loop that made no step for so long is worth a warning that names the tasks."""

log = logging.getLogger("qtasks.worker")


class Worker:
    """Runs the tasks of one application in this process.

    Life cycle: made -> `run()` (joins, takes, runs, flushes) -> `stop()` from anywhere on the loop ->
    drains -> `run()` returns. What it cannot finish in its grace goes back to the queue, uncounted.

    Args:
        runtime: the application's parts.
        name: for people; host and process id when None.
        concurrency: slots; the config's `max_tasks_process` when None. It bounds asynchronous and
            blocking tasks each.
        queues: which queues to serve; those of the registered tasks when None.
        burst: True ends the worker when the queues are empty.
        max_tasks: it retires once it has taken so many: it drains without a limit of time. 0 is never.
        max_memory_bytes: it retires when its resident memory is above that. 0 is never.
        lease: a lease that somebody else renews.
        announce: told of each new incarnation.
        retiring: told when it retires.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        name: str | None = None,
        concurrency: int | None = None,
        queues: Sequence[str] | None = None,
        burst: bool = False,
        max_tasks: int = 0,
        max_memory_bytes: int = 0,
        lease: Lease | None = None,
        announce: Announce | None = None,
        retiring: Retiring | None = None,
    ) -> None:
        self.runtime = runtime
        self.link: Link = runtime.link
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.concurrency = concurrency or runtime.config.max_tasks_process
        if self.concurrency < 1:
            raise ConfigError(f"concurrency: expected at least 1 slot, found {self.concurrency}.")
        self.queues = [check_name(queue, "queue") for queue in queues or runtime.registry.queues()]
        if not self.queues:
            raise ConfigError("No task is registered, so there is no queue to serve.", "Add @app.task functions.")
        self.burst = burst
        self.lease = lease or Lease(runtime.config.lease)
        self.stopping = False
        self.in_doubt = False
        self._away = False
        self.refused = 0
        self.handed_back = 0
        self.quota = max_tasks or sys.maxsize
        self.lag_s = 0.0
        self.started = runtime.clock.wall_us()
        self.in_hand: dict[Any, Delivery] = {}
        self.counters = Counters()
        self.room = asyncio.Event()
        self._announce = announce or (lambda _owner, _number: None)
        self._retiring = retiring or (lambda: None)
        self._max_memory_bytes = max_memory_bytes
        self._calls = Threads("qtasks-call")
        self._fencing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._stop_by = math.inf

    # What the parts of the worker use.

    @property
    def waiting(self) -> int:
        """Runs that wait for a slot."""
        return len(self.coroutines.waiting) + len(self.threads.waiting)

    def owns(self, delivery: Delivery) -> bool:
        """True while a delivery is in this worker's hands."""
        found = self.in_hand.get(delivery.receipt)
        return found is not None and found.token == delivery.token

    def start(self, run: Run) -> None:
        """Give a run to a slot of its kind."""
        (self.coroutines if run.plan.on_loop else self.threads).push(run)

    def hand_back(self, delivery: Delivery, run: Run | None = None) -> None:
        """Put what has not started back into its queue."""
        self.flusher.add(run, Outcome(delivery, TaskStatus.NEW, worker=self.name))

    def forget(self, delivery: Delivery) -> None:
        """Note that a delivery is over: its outcome is written, or was refused."""
        if self.owns(delivery):
            del self.in_hand[delivery.receipt]

    def emit(self, item: StreamItem) -> Awaitable[None] | None:
        """Publish a value of a generator with the next flush."""
        return self.flusher.emit(item)

    async def call_in_thread(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something that blocks in a thread."""
        context = contextvars.copy_context()  # with the executor, which log records ask for
        return await self._calls.answer(partial(context.run, function, *args, **kw))

    def wait_on_loop(self, answer: Awaitable[Any], limit_s: float | None) -> Any:
        """From a slot thread: have the loop await something, and wait for it.

        Raises:
            ThreadTimeLimitExceeded: it took longer than `limit_s` seconds.
        """

        async def wait() -> Any:
            try:
                async with asyncio.timeout(limit_s) as limit:
                    return await answer
            except TimeoutError:
                if limit.expired():
                    raise ThreadTimeLimitExceeded from None
                raise

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result()

    # Its life.

    async def fence(self, owner: str) -> None:
        """The lease is lost: nothing of its incarnation is written any more; begin a new one.

        Args:
            owner: whose lease; nothing is done when a new incarnation has begun already.

        Raises:
            BackendError: the new one could not join; it is tried again twice a second.
        """
        async with self._fencing:  # the intake and the tick may both find it lost
            if owner != self.lease.owner:
                return
            if self.in_hand:
                log.warning("Worker %s lost its lease; its tasks run elsewhere.", self.name)
            self.in_hand.clear()
            self.coroutines.waiting.clear()
            self.threads.waiting.clear()
            for run in list(self.coroutines.running):
                run.interrupt(Interrupt.FENCE)
            await self._join()
        self.room.set()

    @property
    def out_of_time(self) -> bool:
        """True when it was told to stop and its grace is over."""
        return time.monotonic() >= self._stop_by

    def stop(self, grace_s: float | None = None) -> None:
        """Take nothing more, finish what runs within the grace, hand back the rest. Call it on the loop.

        Args:
            grace_s: how long that may take, seconds; the config's `grace` when None. A later call can
                only shorten it.
        """
        grace_s = self.runtime.config.grace if grace_s is None else grace_s
        self._stop_by = min(self._stop_by, time.monotonic() + grace_s)
        self.stopping = True
        self._stop.set()
        self.room.set()

    def retire(self, why: str) -> None:
        """Take nothing more, and end when all that runs has ended. Call it on the loop."""
        if not self.stopping:
            log.info("Worker %s retires: %s.", self.name, why)
            self._retiring()
            self.stop(math.inf)

    async def run(self) -> None:
        """Serve until stopped, or until the queues are empty with `burst`.

        Raises:
            BackendError: the broker cannot be reached at the start.
        """
        self._loop = asyncio.get_running_loop()
        self.flusher = Flusher(self)
        self.requests = Requests(self)
        self.coroutines = CoroutineSlots(self.concurrency, self._may_start, self._done)
        self.threads = ThreadSlots(self.concurrency, self._may_start, self._done)
        hooks = self.runtime.hooks.dispatch
        await self.link.open()
        await self._join()
        await hooks.worker_start(worker=self)
        await hooks.broker_listen_start(broker=self.link.broker, worker=self)
        queues = ", ".join(self.queues)
        log.info("Worker %s is ready: pid %d, queues %s, %d slots.", self.name, os.getpid(), queues, self.concurrency)
        self._intake = Intake(self)
        intake = self._loop.create_task(self._intake.run(), name="qtasks-intake")
        parts = [
            self._loop.create_task(self.flusher.run(), name="qtasks-flusher"),
            self._loop.create_task(self._tick(), name="qtasks-tick"),
            self._loop.create_task(self._pulse(), name="qtasks-pulse"),
        ]
        if self.link.broker.capabilities.cancel:
            parts.append(self._loop.create_task(self.requests.run(), name="qtasks-requests"))
        stopped = self._loop.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait([intake, stopped, *parts], return_when=asyncio.FIRST_COMPLETED)
            for part in done - {stopped}:
                part.result()  # an error of ours ends the worker, with hand-back
        finally:
            if not self.stopping:
                self.stop()
            stopped.cancel()
            intake.cancel()
            await asyncio.gather(intake, return_exceptions=True)
            await self._drain()
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await self._leave()

    def _may_start(self, run: Run) -> bool:
        if not self.lease.held() or not self.owns(run.delivery):
            return False
        reason = self.requests.reasons.get(run.delivery.id)
        if reason is not None:
            self._done(run, ended(run, TaskStatus.CANCEL, ErrorInfo("TaskCancelError", reason)))
        return reason is None

    def _done(self, run: Run, outcome: Outcome | None) -> None:
        if outcome is None:
            self.refused += 1
        else:
            self.flusher.add(run, outcome)

    async def _join(self) -> None:
        owner = self.lease.renew()
        try:
            await self.link.broker.join(owner, self.name, self.lease.lease_s)
        except BackendError:
            self.lease.lose()  # nothing was given: the next tick tries again
            raise
        self.in_doubt = False
        self._announce(owner, self.lease.number)

    async def _drain(self) -> None:
        """Hand back what has not started, let the rest finish in its grace, write everything."""
        for run in [*self.coroutines.hold(), *self.threads.hold()]:
            self.hand_back(run.delivery, run)
        for delivery in self._intake.hold():
            self.hand_back(delivery)
        await self._flush_safely()
        if self.in_doubt:
            await self._reconcile()
        await self._settle()
        for run in list(self.coroutines.running):
            run.interrupt(Interrupt.DRAIN)
        self._stop_by = time.monotonic() + INTERRUPTED_S
        await self._settle()
        await self.coroutines.close()
        self.threads.close()
        await self._flush_safely()

    async def _reconcile(self) -> None:
        """Hand back what a `take` may have given whose answer nobody will hear any more."""
        try:
            await self.link.broker.take(self.lease.owner, self.queues, 0, 0, list(self.in_hand.values()))
        except LeaseLostError:
            return  # then it has gone back already
        except BackendError as error:
            self._away = True
            log.warning("The tasks in hand cannot be handed back; their lease ends by itself: %s", in_a_line(error))

    async def _settle(self) -> None:
        """Wait until nothing runs or the grace is over."""
        while self.coroutines.running or self.threads.running:
            left = self._stop_by - time.monotonic()
            if left <= 0:
                break
            self.room.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), min(DRAIN_STEP_S, left))
        await self._flush_safely()

    async def _flush_safely(self) -> None:
        try:
            await self.flusher.flush()
        except Exception:
            log.exception("Outcomes could not be written while stopping; their tasks run again.")

    async def _leave(self) -> None:
        hooks = self.runtime.hooks.dispatch
        if not self._away:  # otherwise each of them would take its whole time-out
            await self._say_goodbye()
        self._calls.close()
        await hooks.worker_stop(worker=self)
        finished, handed_back = self.counters.finished, self.handed_back
        log.info("Worker %s has stopped: %d tasks finished, %d handed back.", self.name, finished, handed_back)

    async def _say_goodbye(self) -> None:
        try:
            await self._report()  # before the release, after which nothing tells of this worker any more
        except BackendError as error:
            log.warning("The last figures of worker %s could not be reported: %s", self.name, in_a_line(error))
        try:
            await self.link.broker.release(self.lease.owner)
        except BackendError as error:
            log.warning("The tasks in hand could not be handed back; their lease ends by itself: %s", in_a_line(error))

    # Twice a second.

    async def _pulse(self) -> None:
        """Show that the loop goes on, and tell when it did not."""
        while True:
            self.lease.cell.step()
            before = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.lag_s = max(0.0, time.monotonic() - before - TICK_S)
            if self.lag_s > LAG_WARNING_S:
                ran = {run.message.task for run in self.coroutines.running} | self.flusher.names()
                names = ", ".join(sorted({*ran, self.coroutines.last} - {""}))
                log.warning("The event loop made no step for %.1f s while these ran: %s", self.lag_s, names)

    async def _tick(self) -> None:
        next_beat, backoff = 0.0, Backoff()
        while True:
            await asyncio.sleep(TICK_S)
            try:
                if not self.lease.held():
                    await self.fence(self.lease.owner)
                if self._max_memory_bytes and (size := rss_bytes()) > self._max_memory_bytes:
                    self.retire(f"it uses {size >> 20} MiB of memory")
                now = time.monotonic()
                if now >= next_beat or (self.counters.unreported and not self.in_hand):
                    next_beat = now + self.lease.lease_s / BEATS_PER_LEASE
                    await self._tell_of_housekeeping()
                    await self._report()
                    backoff.reset()
            except BackendError as error:
                backoff.note("The broker does not answer", error)

    async def _tell_of_housekeeping(self) -> None:
        """Whoever renews the lease has the broker clean up by the way, and what a worker says of itself is renewed."""
        hooks = self.runtime.hooks.dispatch
        await hooks.storage_delete_finished_tasks(storage=self.link.storage)
        await hooks.global_config_set_status(global_config=self.link.global_config.backend)

    async def _report(self) -> None:
        counts = self.counters.drain()
        try:
            await self.link.storage.report(facts(self), counts)
        except BackendError:
            self.counters.put_back(counts)
            raise
