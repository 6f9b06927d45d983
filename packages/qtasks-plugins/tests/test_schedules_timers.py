"""Timers enqueue by schedules in processes without workers."""

import asyncio
import datetime as dt
import threading
import time

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from qtasks.errors import ConfigError
from qtasks.plugins import AsyncTimer, Schedule, SyncTimer
from qtasks.stats import SyncStats
from qtasks.testing import in_memory, running
from qtasks.types import US_PER_S
from qtasks_plugins.schedules import control, entries

PATIENCE_S = 20.0
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NEW_YEAR_US = round(NEW_YEAR.timestamp() * US_PER_S)


def facts(app, *names):
    return SyncStats(app).section("schedules", *names)


def do(app, what, *args, **kw):
    """Call a coroutine function of `control`."""
    return app.runtime.run_blocking(lambda link: what(app, link, *args, **kw))


def until(true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Ticking:
    """A timer that runs in a thread for the length of a block."""

    def __init__(self, app, timer):
        self._app = app
        self._timer = timer
        self._thread = threading.Thread(target=timer.run_forever)

    def __enter__(self):
        self._thread.start()
        until(lambda: facts(self._app))

    def __exit__(self, *_):
        self._timer.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("kind", [SyncTimer, AsyncTimer])
def test_timer_enqueues_a_task_by_its_name(plain, kind):
    got, ran = [], threading.Event()

    @plain.task
    def greet(name, *, mark):
        got.append((name, mark))
        ran.set()

    timer = kind(plain)
    name = timer.add_task("greet", "Ann", trigger="0 * * * *", mark="!", priority=5, timeout=3)
    assert name.startswith("timer.greet.")
    with in_memory(plain) as clock, running(plain), Ticking(plain, timer):
        clock.advance(3600)
        assert ran.wait(PATIENCE_S)
    assert got == [("Ann", "!")]


def test_timer_takes_triggers_of_apscheduler_and_schedules(plain):
    timer = SyncTimer(plain)
    timer.add_task(task_name="a", trigger=IntervalTrigger(minutes=5))
    assert timer.add_task("a", trigger=Schedule(every="5m", args=[1], name="mine")) == "mine"
    with in_memory(plain), Ticking(plain, timer):
        until(lambda: len(facts(plain)) == 2)
        assert {row["expression"] for row in facts(plain)} == {"interval[0:05:00]", "every 5m"}
        assert len(do(plain, control.coming, (), 5)) == 5


def test_timers_of_one_application_replace_each_other_only_where_they_say_the_same(plain):
    white, red, again = SyncTimer(plain), SyncTimer(plain), SyncTimer(plain)
    name = white.add_task("flash", "white", trigger="* * * * *")
    assert red.add_task("flash", "red", trigger="* * * * *") != name
    assert red.add_task("flash", "white", trigger="*/2 * * * *") != name
    assert again.add_task("flash", "white", trigger="* * * * *") == name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"trigger": "0 9 * *"}, "no cron expression"),
        ({"trigger": 5}, "no get_next_fire_time"),
        ({"trigger": Schedule(every=5), "priority": 1}, "of a Schedule are its own"),
    ],
)
def test_timer_refuses_a_trigger_that_is_none(plain, call, message):
    with pytest.raises(ConfigError, match=message):
        SyncTimer(plain).add_task("a", **call)


def test_timer_on_a_loop_of_the_program_ends_when_it_is_cancelled(plain):
    async def run():
        timer = AsyncTimer(plain)
        timer.add_task("a", trigger="@daily")
        task = asyncio.create_task(timer.run())
        while not await entries.load_all(plain.storage):  # noqa: ASYNC110 - the timer tells nobody
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(run())


def test_timer_leaves_the_connection_open_that_its_program_has_opened(plain):
    async def run():
        await plain.runtime.link.open()
        task = asyncio.create_task(AsyncTimer(plain).run())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert plain.runtime.link.opened
        await plain.runtime.link.close()

    asyncio.run(run())
