"""`Scheduler`: enqueues what is due, in any number of processes at a time, each slot once. What is due: `policy.py`.

Nobody is the leader. Who is first at a slot writes its decision into the entry, enqueues, and strikes it out. The id
of a task is a hash of schedule and slot, so enqueueing is safe to repeat: who finds a decision that stays, because the
scheduler has died, carries it out again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import random
from collections.abc import Coroutine, Sequence
from typing import Any

import attrs
from msgspec.structs import replace
from qtasks.crashpoint import crashpoint
from qtasks.errors import BackendError
from qtasks.runtime import Runtime
from qtasks.types import US_PER_S
from qtasks.worker.backoff import Backoff

from qtasks_plugins.schedules import entries, policy
from qtasks_plugins.schedules.entries import Entry
from qtasks_plugins.schedules.schedule import Scheduled, Timetable
from qtasks_plugins.schedules.triggers import read_again

TAKEOVER_US = US_PER_S
"""How long somebody else's decision may stay before it is carried out again."""

STOOD_STILL_US = 30 * US_PER_S
"""Who has needed so long to decide looks again before he enqueues: meanwhile others may have done it, and the record of
the task, which makes a second publishing known, may be gone soon (`REMEMBERED_S`)."""

RETRY_US = 10 * US_PER_S
"""When a schedule is tried again that cannot be enqueued, though the backend answers."""

LOOK_S = 0.5
"""How often the clock is looked at, which may be set; nothing is asked of the backend then."""

JITTER_S = 0.02
"""By so much schedulers come late at random, so that one of them is first and the others find it done."""

log = logging.getLogger("qtasks.schedules")


class Scheduler:
    """Looks after the schedules of one worker or timer.

    Args:
        runtime: of the application.
        timetable: the schedules; it may grow.
    """

    def __init__(self, runtime: Runtime, timetable: Timetable) -> None:
        self._runtime = runtime
        self._timetable = timetable
        self._looks: dict[str, float] = {}
        self._told: set[str] = set()
        self._found: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Enqueue whatever becomes due, until cancelled."""
        backoff = Backoff()
        while True:
            try:
                coming = await self.enqueue_due()
            except BackendError as error:
                backoff.note("Schedules cannot be read or enqueued", error)
                await backoff.sleep()
                continue
            backoff.reset()
            wait_s = (coming - self._runtime.clock.wall_us()) / US_PER_S if coming is not None else LOOK_S
            await asyncio.sleep(max(0, min(wait_s, LOOK_S)) + random.uniform(0, JITTER_S))  # noqa: S311 - no secret

    async def enqueue_due(self) -> int | None:
        """Enqueue every slot that is due by the application's clock.

        Returns:
            when there is something to do next, microseconds UTC; None when there never is.

        Raises:
            BackendError: the broker or the storage does not answer; the call may be repeated.
        """
        async with self._lock:
            for scheduled in list(self._timetable.values()):
                now = self._runtime.clock.wall_us()
                if self._looks.get(scheduled.name, 0) <= now:
                    self._looks[scheduled.name] = await self._look(scheduled, now)
            coming = min(self._looks.values(), default=math.inf)
            return None if coming == math.inf else int(coming)

    async def _look(self, scheduled: Scheduled, now: int) -> float:
        """Do what is to be done for one schedule; returns when to look at it again."""
        try:
            return await _to_its_end(self._attend(scheduled, now))
        except BackendError:
            raise
        except Exception:
            log.exception("Schedule %s could not be enqueued; it is tried again in 10 s.", scheduled.name)
            return now + RETRY_US

    async def _attend(self, scheduled: Scheduled, now: int) -> float:
        entry, version = await self._entry(scheduled, now)
        if entry.told != scheduled.told:  # a program that was started later says something else
            when = read_again(entry.told.expression, entry.told.zone) or scheduled.when
            scheduled = attrs.evolve(scheduled, when=when, told=entry.told)
        if entry.planned and self._found.get(scheduled.name) != version:
            self._found[scheduled.name] = version  # its scheduler is at it; it is ours if it stays
            return now + TAKEOVER_US
        if entry.paused and not entry.planned:
            return next(scheduled.when.slots(now, entry.begun), math.inf)
        if not entry.planned:
            decided = policy.decide(entry, scheduled.when, now)
            if decided.position != entry.position and not await entries.save(
                self._runtime.link.storage, scheduled.name, decided, version, now
            ):
                return now  # somebody else was faster
            entry = decided
        if entry.planned:
            if self._runtime.clock.wall_us() - now > STOOD_STILL_US:
                return now
            await self._carry_out(scheduled, entry.planned, now)
        return entry.next or math.inf

    async def _entry(self, scheduled: Scheduled, now: int) -> tuple[Entry, int]:
        """The entry as it is stored, and brought up to date when this scheduler has not seen it before."""
        storage = self._runtime.link.storage
        while True:
            entry, version = await entries.load(storage, scheduled.name)
            if entry is not None and (scheduled.name in self._told or entry.told == scheduled.told):
                self._told.add(scheduled.name)
                return entry, version
            if entry is None:
                new = policy.begin(scheduled.told, scheduled.when, now)
            else:
                new = policy.retold(entry, scheduled.told, scheduled.when, now)
            await entries.save(storage, scheduled.name, new, version, now)

    async def _carry_out(self, scheduled: Scheduled, planned: Sequence[int], now: int) -> None:
        """Enqueue the slots that were decided on, and strike them out."""
        crashpoint("schedules", "planned")
        link = self._runtime.link
        ids = [task_id(self._runtime.name, scheduled.name, slot) for slot in planned]
        calls = [scheduled.call(one, slot) for one, slot in zip(ids, planned, strict=True)]
        added = await self._runtime.producer.send(link, calls)
        crashpoint("schedules", "enqueued")
        done = [(slot, one) for slot, one, task in zip(planned, ids, added, strict=True) if task.id == one]
        skipped = len(planned) - len(done)

        def struck_out(entry: Entry) -> Entry | None:
            if entry.planned != planned:
                return None  # somebody else has done it, too
            last, last_id = done[-1] if done else (entry.last, entry.last_id)
            return replace(entry, planned=[], last=last, last_id=last_id, skipped=entry.skipped + skipped)

        await entries.change(link.storage, scheduled.name, now, struck_out)
        crashpoint("schedules", "noted")


async def _to_its_end(work: Coroutine[Any, Any, float]) -> float:
    """Await something that is not cancelled with its caller, who ends after it: nothing is left half done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def task_id(namespace: str, schedule: str, slot: int) -> str:
    """The id of the task of a slot: a UUID of version 8, in the order of time, as other ids are.

    Args:
        namespace: of the application.
        schedule: the name.
        slot: microseconds UTC.
    """
    digest = hashlib.blake2b(f"{namespace}\n{schedule}\n{slot}".encode(), digest_size=9).hexdigest()
    return f"{slot // 1000:012x}8{digest[:3]}8{digest[3:]}"
