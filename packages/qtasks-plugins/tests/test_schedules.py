"""What decorators say of schedules, and what people see of them and do to them."""

import asyncio
import datetime as dt

import pytest
from qtasks import SyncRouter, TaskStatus
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError, EncodeError
from qtasks.message import new_id
from qtasks.plugins import Schedule
from qtasks.stats import SyncStats
from qtasks.testing import AsyncWorld, World, running
from qtasks.types import US_PER_S
from qtasks_plugins.schedules import control
from qtasks_plugins.schedules.scheduler import Scheduler

PATIENCE_S = 20.0
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NEW_YEAR_US = round(NEW_YEAR.timestamp() * US_PER_S)


def times(world, name):
    """When calls of a task were added, minutes since the new year."""
    return [(task.created_at - NEW_YEAR) / dt.timedelta(minutes=1) for task in world.added if task.task_name == name]


def facts(app, *names):
    return SyncStats(app).section("schedules", *names)


def do(app, what, *args, **kw):
    """Call a coroutine function of `control`."""
    return app.runtime.run_blocking(lambda link: what(app, link, *args, **kw))


def test_tasks_are_enqueued_by_cron_and_by_period(plain):
    @plain.task(cron="*/20 * * * *", tz="Asia/Kolkata")
    def by_cron():
        pass

    @plain.task(every="25m")
    async def by_period():
        pass

    with World(plain, now=NEW_YEAR) as world:
        world.advance("1h", check=True)
        assert times(world, "by_cron") == [10, 30, 50]  # India is half an hour off
        assert times(world, "by_period") == [15, 40]  # multiples since 1970
        assert {task.status for task in world.added} == {TaskStatus.SUCCESS}


def test_a_world_of_the_awaitable_face_fires_schedules():
    app = AsyncQueueTasks("schedules", f"memory://{new_id()}")

    @app.task(every="30m")
    async def tick():
        pass

    async def run():
        with AsyncWorld(app, now=NEW_YEAR) as world:
            await world.advance("2h")
            assert times(world, "tick") == [30, 60, 90, 120]

    asyncio.run(run())


def test_a_task_may_have_several_schedules_with_arguments(plain):
    got = []

    @plain.task(
        schedule=[
            Schedule(cron="0 * * * *", args=["full"], kwargs={"since": NEW_YEAR}, name="hourly"),
            Schedule(every="45m", args=["quick"], priority=-1, queue="fast"),
        ]
    )
    def report(kind: str, since: dt.datetime | None = None):
        got.append((kind, since))

    with World(plain, now=NEW_YEAR) as world:
        world.advance("1h")
        assert got == [("full", NEW_YEAR)]
        assert [(task.args, task.priority, task.queue) for task in world.added] == [
            (["quick"], -1, "fast"),
            (["full"], 0, "default"),
        ]
        assert sorted(row["name"] for row in facts(plain)) == ["hourly", "report"]


def test_a_list_of_expressions_is_a_list_of_schedules(plain):
    @plain.task(cron=["0 8 * * *", "0 18 * * *"], missed="skip", queue="own", priority=3)
    def twice_a_day():
        pass

    with World(plain, now=NEW_YEAR) as world:
        world.advance("1d")
        assert times(world, "twice_a_day") == [8 * 60, 18 * 60]
        assert [row["name"] for row in facts(plain)] == ["twice_a_day", "twice_a_day-2"]
        assert {(task.queue, task.priority) for task in world.added} == {("own", 3)}


def test_tasks_of_routers_have_schedules(plain):
    router = SyncRouter()

    @router.task(every="30m")
    def before():
        pass

    plain.include_router(router)

    @router.task(every="30m")
    def after():
        pass

    with World(plain, now=NEW_YEAR) as world:
        world.advance("30m")
        assert sorted(task.task_name for task in world.added) == ["after", "before"]


def test_a_task_knows_its_slot(plain):
    slots = []

    @plain.task(every="1h", echo=True)
    def tick(self):
        slots.append(self.ctx.get_metadata().message.headers)

    with World(plain, now=NEW_YEAR) as world:
        world.advance("1h")
    assert slots == [{"schedule": "tick", "slot": NEW_YEAR_US + 3600 * US_PER_S}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"cron": "* * *"}, "no cron expression"),
        ({"cron": ["@daily", "* * *"]}, "no cron expression"),
        ({"cron": "@daily", "tz": "Mars"}, "no time zone"),
        ({"every": "soon"}, "not a duration"),
        ({"tz": "UTC"}, "has tz=, but neither cron= nor every="),
        ({"schedule": Schedule(every="1m"), "overlap": "skip"}, "belong into its Schedule"),
        ({"schedule": "@daily"}, "expected a Schedule"),
        ({"schedule": [Schedule(every=1, name="a"), Schedule(every=2, name="a")]}, "two schedules 'a'"),
    ],
)
def test_a_schedule_that_cannot_be_keeps_its_task_out(plain, words, message):
    with pytest.raises(ConfigError, match=message):
        plain.task(**words)(lambda: None)
    assert len(plain.tasks) == 0
    plain.task("late", schedule=[Schedule(every="1m", name=name) for name in "abc"])(lambda: None)


def test_arguments_that_cannot_travel_are_refused_at_the_declaration(plain):
    with pytest.raises(EncodeError, match="schedule 'tick'"):
        plain.task("tick", schedule=Schedule(every="1m", args=[object()]))(lambda x: None)


def test_an_application_without_schedules_has_no_scheduler(plain, monkeypatch):
    monkeypatch.setattr(Scheduler, "__init__", lambda *_: pytest.fail("there is one"))
    task = plain.task("t")(lambda: 1)
    with running(plain):
        assert task.add_task(timeout=PATIENCE_S).result() == 1
    assert facts(plain) == []


def test_statistics_tell_how_schedules_stand(plain):
    @plain.task(cron="0 * * * *", tz="Europe/Berlin")
    def failing():
        raise ValueError

    with World(plain, now=NEW_YEAR) as world:
        world.advance("61m")
        [row] = facts(plain)
    assert row == {
        "name": "failing",
        "task": "failing",
        "expression": "0 * * * *",
        "zone": "Europe/Berlin",
        "next": NEW_YEAR_US + 7200 * US_PER_S,
        "last": NEW_YEAR_US + 3600 * US_PER_S,
        "outcome": "error",
        "missed": 0,
        "skipped": 0,
        "paused": False,
    }


def test_schedule_is_triggered_out_of_turn_with_its_arguments(plain):
    got = []
    plain.task("tick", schedule=Schedule(every="1d", args=[7]))(got.append)
    with World(plain, now=NEW_YEAR) as world:
        world.run()
        do(plain, control.set_paused, ["tick"], paused=True)
        do(plain, control.trigger, ["tick"])
        world.run()
        assert got == [7]
        assert world.added[0].message.headers == {"schedule": "tick"}
        assert facts(plain)[0]["next"] == 0


def test_coming_slots_are_told_in_the_order_of_time(plain):
    plain.task("a", every="1h")(lambda: None)
    plain.task("b", every="90m")(lambda: None)
    with World(plain, now=NEW_YEAR) as world:
        world.run()
        coming = do(plain, control.coming, (), 3)
        minutes = [((row["next"] - NEW_YEAR_US) // 60 // US_PER_S, row["name"]) for row in coming]
        assert minutes == [(60, "a"), (90, "b"), (120, "a")]
        do(plain, control.set_paused, ["a"], paused=True)
        assert {row["name"] for row in do(plain, control.coming, (), 9)} == {"b"}
