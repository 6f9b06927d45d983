"""Any number of schedulers enqueues each slot once, on each backend, and goes on after trouble."""

import asyncio
import datetime as dt
import logging
import threading
import time

import pytest
from msgspec.structs import replace
from qtasks.errors import BackendUnavailableError, MalformedMessageError
from qtasks.plugins import Schedule
from qtasks.stats import SyncStats
from qtasks.testing import MovableClock, World, in_memory, running
from qtasks.types import US_PER_S
from qtasks_plugins.schedules import control, entries
from qtasks_plugins.schedules.schedule import Timetable
from qtasks_plugins.schedules.scheduler import Scheduler, task_id

PATIENCE_S = 20.0
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NEW_YEAR_US = round(NEW_YEAR.timestamp() * US_PER_S)


def facts(app, *names):
    return SyncStats(app).section("schedules", *names)


def until(true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def clocked(async_app):
    """An application on each backend, whose clock the test moves."""
    async_app.runtime.clock = MovableClock(stands_at_us=NEW_YEAR_US)
    return async_app


def timetable(**words):
    made = Timetable()
    made.add(Schedule(**{"every": "1s"} | words), "tick", None)
    return made


async def added(app):
    """The slots of all tasks that were added, in order."""
    tasks = await app.runtime.run_async(lambda link: link.storage.find(task="tick", limit=10_000))
    ids = {task_id(app.name, "tick", NEW_YEAR_US + second * US_PER_S): second for second in range(-1, 3700)}
    return sorted(ids[task.id] for task in tasks)


def on_loop(app, test):
    """Run a test of a coroutine function, and close the application on its loop."""

    async def run():
        await app.runtime.link.open()
        try:
            await test()
        finally:
            await app.close()

    asyncio.run(run())


def test_any_number_of_schedulers_enqueues_each_slot_once(clocked):
    async def test():
        schedulers = [Scheduler(clocked.runtime, timetable()) for _ in range(5)]
        for _ in range(11):
            await asyncio.gather(*(one.enqueue_due() for one in schedulers))
            clocked.runtime.clock.advance(1)
        assert await added(clocked) == list(range(1, 11))
        entry, _ = await entries.load(clocked.storage, "tick")
        assert (entry.planned, entry.missed, entry.last) == ([], 0, NEW_YEAR_US + 10 * US_PER_S)

    on_loop(clocked, test)


def test_decision_that_its_scheduler_left_behind_is_carried_out_by_another_one(clocked):
    async def test():
        first, second = (Scheduler(clocked.runtime, timetable()) for _ in range(2))
        await asyncio.gather(first.enqueue_due(), second.enqueue_due())
        entry, version = await entries.load(clocked.storage, "tick")
        planned = [NEW_YEAR_US + US_PER_S]
        left = replace(entry, position=planned[0], begun=True, planned=planned)
        assert await entries.save(clocked.storage, "tick", left, version, NEW_YEAR_US)
        clocked.runtime.clock.advance(1)
        await second.enqueue_due()
        assert await added(clocked) == []  # whoever decided may be at it
        clocked.runtime.clock.advance(1)
        await second.enqueue_due()
        assert await added(clocked) == [1]
        await second.enqueue_due()
        clocked.runtime.clock.advance(1)
        await second.enqueue_due()
        assert await added(clocked) == [1, 2, 3]

    on_loop(clocked, test)


def test_schedule_that_another_scheduler_finished_meanwhile_stays_as_it_is(clocked, monkeypatch):
    async def test():
        late, other = (Scheduler(clocked.runtime, timetable()) for _ in range(2))
        await late.enqueue_due()
        clocked.runtime.clock.advance(1)
        send = clocked.runtime.producer.send

        async def slowly(link, calls):  # meanwhile the other one carries the decision out, and goes on
            monkeypatch.setattr(clocked.runtime.producer, "send", send)
            for _ in range(3):
                await other.enqueue_due()
                clocked.runtime.clock.advance(1)
            return await send(link, calls)

        monkeypatch.setattr(clocked.runtime.producer, "send", slowly)
        await late.enqueue_due()
        entry, _ = await entries.load(clocked.storage, "tick")
        assert entry.last == NEW_YEAR_US + 3 * US_PER_S
        assert await added(clocked) == [1, 2, 3]

    on_loop(clocked, test)


def test_scheduler_that_stood_still_looks_again_before_it_enqueues(clocked, monkeypatch):
    sent, send, save = [], clocked.runtime.producer.send, entries.save

    async def counted(link, calls):
        sent.append([call.id for call in calls])
        return await send(link, calls)

    async def test():
        late, other = (Scheduler(clocked.runtime, timetable(every="1h")) for _ in range(2))
        await late.enqueue_due()

        async def slowly(*args):  # meanwhile the other one finds the decision, waits, and carries it out
            monkeypatch.setattr(entries, "save", save)
            saved = await save(*args)
            clocked.runtime.clock.advance(100)
            await other.enqueue_due()
            clocked.runtime.clock.advance(1)
            await other.enqueue_due()
            return saved

        clocked.runtime.clock.advance(3600)
        monkeypatch.setattr(entries, "save", slowly)
        monkeypatch.setattr(clocked.runtime.producer, "send", counted)
        for _ in range(3):
            await late.enqueue_due()
            clocked.runtime.clock.advance(1)
        assert sent == [[task_id(clocked.name, "tick", NEW_YEAR_US + 3600 * US_PER_S)]]

    on_loop(clocked, test)


def test_scheduler_that_is_stopped_brings_the_slot_in_hand_to_its_end(clocked, monkeypatch):
    async def test():
        scheduler = Scheduler(clocked.runtime, timetable())
        await scheduler.enqueue_due()
        clocked.runtime.clock.advance(1)
        send = clocked.runtime.producer.send

        async def stopped(link, calls):
            added = await send(link, calls)
            at_work.cancel()
            await asyncio.sleep(0)
            return added

        monkeypatch.setattr(clocked.runtime.producer, "send", stopped)
        at_work = asyncio.create_task(scheduler.run())
        with pytest.raises(asyncio.CancelledError):
            await at_work
        entry, _ = await entries.load(clocked.storage, "tick")
        assert (entry.planned, entry.last) == ([], NEW_YEAR_US + US_PER_S)

    on_loop(clocked, test)


def test_what_nobody_enqueued_for_an_hour_follows_the_policy(clocked):
    async def test():
        table = timetable(every="10m", missed="all")
        await Scheduler(clocked.runtime, table).enqueue_due()
        clocked.runtime.clock.advance(3601)
        await Scheduler(clocked.runtime, table).enqueue_due()
        assert await added(clocked) == [600, 1200, 1800, 2400, 3000, 3600]

    on_loop(clocked, test)


def test_slot_is_passed_over_while_a_call_is_open(clocked):
    async def test():
        scheduler = Scheduler(clocked.runtime, timetable(overlap="skip"))
        await scheduler.enqueue_due()
        for _ in range(3):
            clocked.runtime.clock.advance(1)
            await scheduler.enqueue_due()
        assert await added(clocked) == [1]
        entry, _ = await entries.load(clocked.storage, "tick")
        assert (entry.skipped, entry.last) == (2, NEW_YEAR_US + US_PER_S)
        await clocked.cancel(entry.last_id)
        clocked.runtime.clock.advance(1)
        await scheduler.enqueue_due()
        assert await added(clocked) == [1, 4]

    on_loop(clocked, test)


def test_paused_schedule_lets_slots_pass_for_all_schedulers(clocked):
    async def test():
        scheduler, other = (Scheduler(clocked.runtime, timetable(missed="all")) for _ in range(2))
        await scheduler.enqueue_due()
        await control.set_paused(clocked, clocked.runtime.link, ["tick"], paused=True)
        for _ in range(3):
            clocked.runtime.clock.advance(1)
            await asyncio.gather(scheduler.enqueue_due(), other.enqueue_due())
        assert await added(clocked) == []
        await control.set_paused(clocked, clocked.runtime.link, ["tick"], paused=False)
        clocked.runtime.clock.advance(1)
        await asyncio.gather(scheduler.enqueue_due(), other.enqueue_due())
        assert await added(clocked) == [4]

    on_loop(clocked, test)


def test_schedule_whose_entry_is_gone_begins_anew(clocked):
    async def test():
        scheduler = Scheduler(clocked.runtime, timetable())
        await scheduler.enqueue_due()
        _, version = await clocked.storage.load_value("schedule:tick")
        await clocked.storage.save_value("schedule:tick", None, version)
        for _ in range(2):
            clocked.runtime.clock.advance(1)
            await scheduler.enqueue_due()
        assert await added(clocked) == [2]

    on_loop(clocked, test)


def test_new_expression_of_a_known_name_begins_now(clocked):
    async def test():
        await Scheduler(clocked.runtime, timetable(missed="all")).enqueue_due()
        clocked.runtime.clock.advance(100)
        scheduler = Scheduler(clocked.runtime, timetable(every="2s", missed="all"))
        await scheduler.enqueue_due()
        clocked.runtime.clock.advance(2)
        await scheduler.enqueue_due()
        assert await added(clocked) == [102]

    on_loop(clocked, test)


def test_what_the_program_says_that_was_started_last_holds_for_all_schedulers(clocked):
    async def test():
        old = Scheduler(clocked.runtime, timetable())
        await old.enqueue_due()
        new = Scheduler(clocked.runtime, timetable(every="5s", args=["new"]))
        await new.enqueue_due()
        for _ in range(12):
            clocked.runtime.clock.advance(1)
            await old.enqueue_due()
            await new.enqueue_due()
        assert await added(clocked) == [5, 10]
        ids = [task_id(clocked.name, "tick", NEW_YEAR_US + second * US_PER_S) for second in (5, 10)]
        assert [(await clocked.get(one)).args for one in ids] == [["new"], ["new"]]

    on_loop(clocked, test)


def test_idle_scheduler_asks_the_backend_nothing_until_its_slot(plain, monkeypatch):
    asked, load = [], entries.load

    async def counted(*args):
        asked.append(args)
        return await load(*args)

    monkeypatch.setattr(entries, "load", counted)

    async def look():
        plain.runtime.clock = MovableClock(stands_at_us=NEW_YEAR_US)
        scheduler = Scheduler(plain.runtime, timetable(every="1h"))
        coming = [await scheduler.enqueue_due() for _ in range(100)]
        assert set(coming) == {NEW_YEAR_US + 3600 * US_PER_S}

    asyncio.run(look())
    assert len(asked) == 2  # one finds that there is none, one reads what was written


def test_ids_of_slots_are_their_own_and_in_the_order_of_time():
    slots = [NEW_YEAR_US + second * US_PER_S for second in range(50)]
    ids = [task_id("app", "tick", slot) for slot in slots]
    assert ids == sorted(ids)
    assert len({*ids, task_id("other", "tick", slots[0]), task_id("app", "tock", slots[0])}) == 52
    assert {len(one) for one in ids} == {32}


def test_trouble_of_one_schedule_does_not_hold_up_the_others(plain, caplog):
    class Broken:
        def get_next_fire_time(self, previous, now):
            raise ValueError("no time")

    plain.task("bad", schedule=Schedule(trigger=Broken()))(lambda: None)
    plain.task("good", every="1m")(lambda: None)
    with World(plain, now=NEW_YEAR) as world, caplog.at_level(logging.ERROR, "qtasks.schedules"):
        world.advance("1m")
        assert [task.task_name for task in world.added] == ["good"]
    assert "Schedule bad could not be enqueued" in caplog.text


def test_scheduler_goes_on_when_the_backend_answers_again(plain, monkeypatch):
    ran = threading.Event()
    plain.task("tick", every="1h")(ran.set)
    load, failures = entries.load, iter(range(3))

    async def failing(*args):
        if next(failures, None) is not None:
            raise BackendUnavailableError("down")
        return await load(*args)

    monkeypatch.setattr(entries, "load", failing)
    with in_memory(plain) as clock, running(plain):
        until(lambda: facts(plain))
        clock.advance(3600)
        assert ran.wait(PATIENCE_S)


def test_what_is_stored_and_no_entry_holds_up_its_schedule_only(plain, caplog):
    for name in ("bad", "good"):
        plain.task(name, every="1m")(lambda: None)
    with World(plain, now=NEW_YEAR) as world, caplog.at_level(logging.ERROR, "qtasks.schedules"):
        plain.runtime.run_blocking(lambda link: link.storage.save_value("schedule:bad", b"{}", 0))
        world.advance("1m")
        assert [task.task_name for task in world.added] == ["good"]
        with pytest.raises(MalformedMessageError, match="the schedule 'bad' cannot be read"):
            facts(plain)
    assert "Schedule bad could not be enqueued" in caplog.text
