"""Schedules while their schedulers are killed, frozen and stopped: every slot is enqueued exactly once.

The ledger has a line for each start: the slot, and whether the task was recovered from a worker that died with it. A
slot that was enqueued twice would have two starts of a task that was not.
"""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from qtasks.types import US_PER_S
from qtasks_plugins.schedules import entries
from qtasks_testkit.faults import until
from qtasks_testkit.faults.base import Faults

LASTS_S = int(os.environ.get("QTASKS_SCHEDULES_S", "10"))
"""How long the workers are watched; a minute is what the promise was judged by."""

WORKER = "from app import app; app.run_forever()"

SETTINGS = {"QTASKS_LEASE": "2"}

APP = """
import os
from pathlib import Path
from qtasks import QueueTasks
from qtasks.executor.context import current_executor

app = QueueTasks(os.environ["FLEET_NAME"], os.environ["FLEET_URL"])

@app.task(every="1s", result_ttl=0)
async def tick():
    me = current_executor.get()
    with Path("ledger").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{me.task_broker.headers['slot']} {me.delivery.recovered:d}\\n")
"""
"""No record of a success is kept, so that nobody remembers a task for longer than schedules need."""


def starts():
    """What the ledger has of each start: the slot, and 1 for a task that was recovered."""
    lines = Path("ledger").read_text(encoding="utf-8").splitlines() if Path("ledger").exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def entry_of(fleet):
    """What is stored of the schedule."""
    entry, _ = fleet.queue.runtime.run_blocking(lambda link: entries.load(link.storage, "tick"))
    return entry


def judge(first, last):
    """Every slot from the first to the last was enqueued, and none twice; returns how many starts were recoveries."""
    found = [(slot, recovered) for slot, recovered in starts() if first <= slot <= last]
    assert {slot for slot, _ in found} == set(range(first, last + 1, US_PER_S))
    enqueued = Counter(slot for slot, recovered in found if not recovered)
    assert [slot for slot, times in enqueued.items() if times > 1] == []
    return sum(recovered for _, recovered in found)


class SchedulerDeaths(Faults):
    @pytest.mark.timeout(LASTS_S + 60)
    def test_every_slot_is_enqueued_once_while_schedulers_are_killed_frozen_and_stopped(self, open_fleet, figure):
        killed, frozen, third = fleets = [open_fleet() for _ in range(3)]
        third.write(APP)
        for fleet in fleets:
            fleet.execute(WORKER, **SETTINGS)
        until(lambda: len(third.worker_names()) == len(fleets))
        first = until(starts)[0][0]

        def is_enqueued(after_s):
            slot = first + after_s * US_PER_S
            until(lambda: slot in {slot for slot, _ in starts()}, LASTS_S + 20, f"slot {after_s} is enqueued")

        is_enqueued(LASTS_S * 1 // 4)
        killed.signal(signal.SIGKILL)
        is_enqueued(LASTS_S * 2 // 4)
        frozen.signal(signal.SIGSTOP)
        is_enqueued(LASTS_S * 3 // 4)
        frozen.signal(signal.SIGCONT)
        frozen.signal(signal.SIGTERM)
        assert frozen.ended() == 0
        is_enqueued(LASTS_S)
        third.signal(signal.SIGTERM)
        assert third.ended() == 0

        again = judge(first, first + LASTS_S * US_PER_S)
        assert entry_of(third).missed == 0
        figure(
            f"3 workers, a schedule of 1 s for {LASTS_S} s, one killed, one frozen and then stopped: "
            f"{LASTS_S + 1} slots, each enqueued once; {again} recovered from the dead"
        )

    @pytest.mark.parametrize("point", ["schedules.planned", "schedules.enqueued", "schedules.noted"])
    def test_slot_at_which_its_only_scheduler_dies_is_enqueued_once(self, open_fleet, point):
        victim, rescue = open_fleet(), open_fleet()
        rescue.write(APP)
        victim.execute(WORKER, **SETTINGS, QTASKS_CRASHPOINT=point)
        assert victim.ended() == -signal.SIGKILL, f"no scheduler came by {point}: {victim.log}"
        left = entry_of(victim)
        assert (left.planned == []) is (point == "schedules.noted")

        rescue.execute(WORKER, **SETTINGS)
        last = left.position + 4 * US_PER_S
        until(lambda: last in {slot for slot, _ in starts()})
        until(lambda: not entry_of(rescue).planned)
        judge(left.position, last)

    def test_frozen_scheduler_comes_back_and_enqueues_no_old_slot(self, open_fleet, figure):
        frozen, other = open_fleet(), open_fleet()
        other.write(APP)
        for fleet in (frozen, other):
            fleet.execute(WORKER, **SETTINGS)
        until(lambda: len(other.worker_names()) == 2)
        first = until(starts)[0][0]
        frozen.signal(signal.SIGSTOP)
        until(lambda: first + 4 * US_PER_S in {slot for slot, _ in starts()})
        frozen.signal(signal.SIGCONT)
        last = first + 6 * US_PER_S
        until(lambda: last in {slot for slot, _ in starts()})
        judge(first, last)


@pytest.mark.needs("sqlite")
class TestSchedulesOnSqlite(SchedulerDeaths):
    @pytest.fixture
    def fleet_url(self):
        return "sqlite:///queue.db"


@pytest.mark.needs("redis")
class TestSchedulesOnRedis(SchedulerDeaths):
    @pytest.fixture
    def fleet_url(self, redis_server):
        return redis_server.url
