"""The way in: takes deliveries in batches, decodes them one by one, and gives them to the slots.

Whatever one message does, the taking goes on. Prefetch is the free slots, plus for short tasks what the
worker finished in the last 20 ms; what has not started within 100 ms is handed back, uncounted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from qtasks.codec import decode_message
from qtasks.errors import BackendError, LeaseLostError, MalformedMessageError, NewerMessageError, PluginError, in_a_line
from qtasks.executor.execution import Run, describe
from qtasks.executor.plan import Plan, make_plan
from qtasks.message import Delivery, Envelope, ErrorInfo, Outcome, TaskMessage
from qtasks.ports.facts import COUNTED_DEATHS
from qtasks.runtime import answered
from qtasks.types import US_PER_S, TaskStatus
from qtasks.worker.backoff import Backoff

if TYPE_CHECKING:
    from qtasks.worker.worker import Worker

WAIT_S = 5.0
"""How long one call of `take` waits for something to do."""

STALE_S = 0.1
"""What was prefetched and has not started for so long is handed back."""

MAX_EXTRA = 1000
MAX_EXTRA_BYTES = 16 * 1024 * 1024
"""Bounds of the prefetch beyond the free slots."""

PARK_FIRST_S, PARK_CAP_S, PARK_END_S = 10.0, 300.0, 86_400.0
"""Unknown tasks wait for a newer worker: 10 s doubling to 5 min, dead after a day."""

INTAKE_HOOKS = (
    "broker_add_worker",
    "broker_running_older_tasks",
    "storage_add_process",
    "storage_running_older_tasks",
    "worker_add",
)
"""Hooks that fire between the taking of a task and its waiting for a slot."""

log = logging.getLogger("qtasks.worker")


class Intake:
    """Keeps the slots of one worker supplied."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._plans: dict[str, Plan] = {}
        self._async_hooks: frozenset[str] = frozenset()
        self._hooked = False
        self._fresh: deque[Delivery] = deque()
        self._suspect: Run | None = None
        self._wary = False
        self._mean_bytes = 256.0
        self._owner = ""
        self._left_over: set[Run] = set()

    async def run(self) -> None:
        """Take until the worker stops; with `burst`, until nothing is left."""
        worker = self._worker
        backoff = Backoff()
        while not worker.stopping:
            room = min(self._room(), worker.quota)
            if room <= 0:
                await self._wait_for_room()
                continue
            in_hand = list(worker.in_hand.values()) if worker.in_doubt else None
            owner = worker.lease.owner
            try:
                deliveries = await worker.link.broker.take(owner, worker.queues, room, self._patience_s(), in_hand)
            except LeaseLostError:
                with contextlib.suppress(BackendError):  # the worker's tick tries again, and tells of it
                    await worker.fence(owner)
                continue
            except asyncio.CancelledError:
                worker.in_doubt = True
                raise
            except BackendError as error:
                worker.in_doubt = True
                backoff.note("Tasks could not be taken", error)
                await backoff.sleep()
                continue
            backoff.reset()
            if owner != worker.lease.owner:  # taken for an incarnation that ended meanwhile
                await self._give_back(owner, deliveries)
                continue
            if in_hand is not None:
                worker.in_doubt = False
            if deliveries:
                worker.quota -= len(deliveries)
                await self._accept_all(deliveries)
                if len(deliveries) < room:  # otherwise there is more, which a server gathers while the slots go on
                    await self._let_slots_go_first()
                if worker.quota <= 0:
                    worker.retire("it has taken as many tasks as it may")
            elif worker.burst and not worker.in_hand:
                return
            elif worker.burst:
                await self._wait_for_room()
            else:
                self._return_stale()

    def hold(self) -> list[Delivery]:
        """What was taken and given to no slot, once the taking has ended."""
        return [*self._fresh, *([] if self._suspect is None else [self._suspect.delivery])]

    def _room(self) -> int:
        """How many deliveries to take now; 0 while the queue before the slots is well filled."""
        worker = self._worker
        busy = len(worker.in_hand) - worker.flusher.pending
        slots = worker.concurrency - self._held_by_old_runs()
        if self._suspect is not None or slots <= 0 or not worker.lease.held():
            return 0
        if self._wary:
            return 0 if busy else 1
        extra = min(worker.flusher.recent(), MAX_EXTRA, int(MAX_EXTRA_BYTES / self._mean_bytes))
        capacity = slots + extra
        room = capacity - busy
        if room * 2 < capacity and worker.waiting:
            return 0
        return min(room, max(slots, capacity // 2))  # by halves: one is on its way while the other is run

    def _held_by_old_runs(self) -> int:
        """How many slots are held by runs of a lost lease, which go on although they are not in hand any more."""
        worker = self._worker
        if self._owner != worker.lease.owner:
            self._owner, self._left_over = worker.lease.owner, worker.coroutines.running | worker.threads.running
        elif self._left_over:
            self._left_over &= worker.coroutines.running | worker.threads.running
        return len(self._left_over)

    async def _give_back(self, owner: str, deliveries: list[Delivery]) -> None:
        outcomes = [Outcome(delivery, TaskStatus.NEW, worker=self._worker.name) for delivery in deliveries]
        with contextlib.suppress(BackendError):  # then the old lease ends by itself
            await self._worker.link.broker.finish(owner, outcomes)

    def _patience_s(self) -> float:
        """How long to wait for something to take: not for long while something in hand may become stale."""
        if self._worker.burst:
            return 0
        return STALE_S / 2 if self._worker.waiting else WAIT_S

    async def _wait_for_room(self) -> None:
        worker = self._worker
        worker.room.clear()
        suspect = self._suspect
        if suspect is not None and not worker.owns(suspect.delivery):  # the lease was lost meanwhile
            self._suspect = None
        elif suspect is not None and len(worker.in_hand) == 1:  # alone: what was handed back is written, too
            self._suspect = None
            name, task_id = suspect.message.task, suspect.message.id
            log.info("Task %s %s runs alone: a worker died while it ran it.", name, task_id)
            worker.start(suspect)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STALE_S / 2):
                await worker.room.wait()
        self._return_stale()

    def _return_stale(self) -> None:
        """Hand back what was prefetched and could be run elsewhere meanwhile."""
        horizon = time.monotonic() - STALE_S
        for slots in (self._worker.coroutines, self._worker.threads):
            while slots.waiting and slots.waiting[-1].taken < horizon:
                try:
                    run = slots.waiting.pop()
                except IndexError:  # a slot thread was faster
                    break
                self._worker.hand_back(run.delivery, run)

    async def _accept_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._worker.in_hand[delivery.receipt] = delivery
            self._mean_bytes += (len(delivery.payload) - self._mean_bytes) / 64
        self._look_at_plugins()
        self._wary = False
        self._fresh.extend(deliveries)
        recovered = [delivery for delivery in deliveries if delivery.recovered]
        if recovered and not self._worker.link.shared:
            await self._drop_ended(recovered)
        while self._fresh:
            delivery = self._fresh[0]
            run = await self._accept(delivery)
            self._fresh.popleft()  # now, so that `hold` finds it if a hook is cancelled
            if run is None:
                continue
            if not delivery.crashes:
                self._worker.start(run)
            elif self._wary:
                self._worker.hand_back(delivery, run)
            else:
                self._wary = True
                self._suspect = run

    async def _let_slots_go_first(self) -> None:
        await asyncio.sleep(0)
        if self._worker.flusher.pending:  # what they have finished already goes out before the next take
            await self._worker.flusher.flush()

    async def _drop_ended(self, recovered: list[Delivery]) -> None:
        """Only acknowledge what has its outcome in the storage: who wrote it was lost before the broker heard of it."""
        records, backoff = None, Backoff()
        while records is None:
            try:
                records = await self._worker.link.storage.get_many([delivery.id for delivery in recovered])
            except BackendError as error:  # none of them may run before the storage has answered
                backoff.note("Outcomes of recovered tasks could not be read", error)
                await backoff.sleep()
        for delivery, record in zip(recovered, records, strict=True):
            if record is not None and record.status.terminal:
                self._fresh.remove(delivery)
                outcome = Outcome(delivery, record.status, record.result, record.error, worker=self._worker.name)
                self._worker.flusher.add(None, outcome)  # the storage keeps the first

    def _look_at_plugins(self) -> None:
        """Plugins come and go while a worker runs; how tasks are run depends on which hooks are asynchronous."""
        dispatch = self._worker.runtime.hooks.dispatch
        self._hooked = any(getattr(dispatch, name) for name in INTAKE_HOOKS)
        if dispatch.async_hooks != self._async_hooks:
            self._async_hooks = dispatch.async_hooks
            self._plans.clear()

    async def _accept(self, delivery: Delivery) -> Run | None:
        """Decode one delivery; None when it has its outcome already."""
        worker, reply_to = self._worker, None
        try:
            message = self._decode(delivery)
            if worker.runtime.hooks.dispatch.broker_read_message:
                message = await self._read(delivery, message)
            if not worker.link.shared and self._is_over(delivery, message):
                return None
            reply_to = message.reply_to
            plan = self._plan(message)
            if plan is None:
                self._park(delivery, message.enqueued, message.due, f"task {message.task!r} is unknown here")
                return None
            if self._hooked:
                message = await self._hooks(delivery, message)
                plan = self._plan(message) or plan
        except NewerMessageError as error:
            self._park(delivery, error.enqueued, 0, str(error))
        except MalformedMessageError as error:
            self._end(delivery, TaskStatus.DEAD, ErrorInfo(error.reason, str(error)))
        except Exception as error:  # noqa: BLE001 - a plugin that raises fails the task, not the worker
            self._end(delivery, TaskStatus.ERROR, describe(error), reply_to)
        else:
            return Run(delivery, message, plan, worker)
        return None

    def _decode(self, delivery: Delivery) -> TaskMessage:
        message = decode_message(delivery.payload, limit=self._worker.runtime.config.max_payload_bytes)
        if message.id != delivery.id:
            raise MalformedMessageError(f"the envelope's id {message.id} is not the queue's {delivery.id}")
        return message

    def _is_over(self, delivery: Delivery, message: TaskMessage) -> bool:
        """End what only its record could end: a broker beside somebody else's storage has none to write."""
        if delivery.crashes >= COUNTED_DEATHS:
            status, error = TaskStatus.DEAD, ErrorInfo("WorkerDied", f"{delivery.crashes} workers died with it")
        elif message.expires is not None and message.expires < self._worker.runtime.clock.wall_us():
            status, error = TaskStatus.EXPIRED, ErrorInfo("expired", "no worker took it in time")
        else:
            return False
        self._end(delivery, status, error, message.reply_to)
        return True

    async def _read(self, delivery: Delivery, message: TaskMessage) -> TaskMessage:
        """The message as the plugins read it; one that they refuse raises."""
        worker, model = self._worker, Envelope(message, delivery.payload)
        hooks = worker.runtime.hooks.dispatch
        model = await hooks.broker_read_message(broker=worker.link.broker, worker=worker, model=model)
        return answered("broker_read_message", model, Envelope).message

    def _plan(self, message: TaskMessage) -> Plan | None:
        plan = self._plans.get(message.task)
        if plan is None:
            definition = self._worker.runtime.registry.find(message.task)
            if definition is None:
                return None
            plan = self._plans[message.task] = make_plan(definition, self._worker.runtime)
        return plan

    def _park(self, delivery: Delivery, enqueued: int, due: int, why: str) -> None:
        """Put back what a newer worker may know; the wait grows with the age, so nothing has to be counted."""
        now = self._worker.runtime.clock.wall_us()
        age_s = (now - max(enqueued, due)) / US_PER_S
        if age_s > PARK_END_S:
            self._end(delivery, TaskStatus.DEAD, ErrorInfo("unknown", f"{why}, for a day"))
            return
        log.warning("Parked %s: %s.", delivery.id, why)
        wait_s = min(max(age_s, PARK_FIRST_S), PARK_CAP_S)
        self._worker.flusher.add(None, Outcome(delivery, TaskStatus.NEW, due=now + round(wait_s * US_PER_S)))

    def _end(self, delivery: Delivery, status: TaskStatus, error: ErrorInfo, reply_to: str | None = None) -> None:
        name, text = delivery.id or "without an id", in_a_line(error.text)
        log.error("Task %s ends as %s: %s: %s", name, status, error.type, text)
        outcome = Outcome(
            delivery,
            status,
            error=error,
            finished=self._worker.runtime.clock.wall_us(),
            keep_s=self._worker.runtime.config.failure_ttl,
            reply_to=reply_to,
            worker=self._worker.name,
        )
        self._worker.flusher.add(None, outcome)

    async def _hooks(self, delivery: Delivery, message: TaskMessage) -> TaskMessage:
        """The hooks after a take; what they return changes the copy of this run only."""
        worker, hooks = self._worker, self._worker.runtime.hooks.dispatch
        broker, storage = worker.link.broker, worker.link.storage
        fields: dict[str, Any] = {
            "task_name": message.task,
            "uuid": message.uuid,
            "priority": message.priority,
            "args": message.args,
            "kw": message.kwargs,
            "created_at": message.created_at,
        }
        if delivery.recovered:
            await hooks.broker_running_older_tasks(broker=broker, worker=worker)
            fields.update(await hooks.storage_running_older_tasks(storage=storage, worker=worker, **fields))
        fields.update(await hooks.broker_add_worker(broker=broker, worker=worker, **fields))
        data = {"task_data": dict(fields), "priority": fields["priority"]}
        fields.update((await hooks.storage_add_process(storage=storage, **data))["task_data"])
        fields.update(await hooks.worker_add(worker=worker, **fields))
        if fields["uuid"] != message.uuid:
            raise PluginError("A plugin changed the uuid of a task that is queued already.")
        worker.runtime.registry.require(fields["task_name"])
        return replace(message, task=fields["task_name"], args=list(fields["args"]), kwargs=dict(fields["kw"]))
