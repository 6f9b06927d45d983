"""Worlds: what is due runs when the test says so, and time passes when the test says so."""

import asyncio
import datetime as dt
import threading

import pytest
from qtasks import QueueTasks, TaskFailed, TaskStatus, hookimpl
from qtasks.app.starter import Starter
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError, LimitError
from qtasks.message import new_id
from qtasks.testing import AsyncWorld, World, running

NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PATIENCE_S = 20.0


@pytest.fixture
def app():
    return QueueTasks("world", f"memory://{new_id()}")


@pytest.fixture
def world(app):
    with World(app, now=NEW_YEAR) as world:
        yield world


@pytest.fixture
def diary(app, world):
    """A task that notes when it ran, and how late that is in seconds."""
    diary = []

    @app.task
    def note(what):
        diary.append((what, (world.now - NEW_YEAR).total_seconds()))

    return note, diary


def names(tasks):
    return [task.task_name for task in tasks]


# What runs.


def test_nothing_runs_before_the_test_says_so(diary, world):
    note, noted = diary
    task = note.add_task("tea")
    assert task.wait_result(timeout=0) is None
    assert noted == []
    assert names(world.run()) == ["note"]
    assert noted == [("tea", 0)]


def test_all_that_is_due_runs_with_what_tasks_add(app, world):
    @app.task
    def count_down(n):
        if n:
            count_down.add_task(n - 1)
        return n

    count_down.add_task(3)
    assert [task.result() for task in world.run()] == [3, 2, 1, 0]
    assert world.run() == []


def test_tasks_run_one_after_the_other_in_the_order_of_their_priority(app, world):
    began, at_once = [], []

    async def run(name):
        began.append(name)
        at_once.append(len(began))
        await asyncio.sleep(0)
        at_once.append(len(began))

    app.task("async")(run)
    app.task("sync")(began.append)
    for priority, kind in ((2, "sync"), (1, "async"), (2, "async"), (0, "sync"), (1, "async")):
        app.add_task(kind, f"{kind} {priority}", priority=priority)
    world.run()
    assert began == ["sync 0", "async 1", "async 1", "sync 2", "async 2"]
    assert at_once == [2, 2, 3, 3, 5, 5]


def test_with_more_slots_a_task_may_wait_for_another_one(app):
    child = app.task("child")(lambda: "done")
    parent = app.task("parent")(lambda: child.add_task(timeout=PATIENCE_S).result())
    with World(app, concurrency=2) as world:
        parent.add_task()
        assert {task.task_name: task.result() for task in world.run()} == {"parent": "done", "child": "done"}


def test_coroutines_of_all_runs_are_on_one_loop(app, world):
    @app.task
    async def loop():
        return id(asyncio.get_running_loop())

    loop.add_task()
    [first] = world.run()
    loop.add_task()
    [second] = world.run()
    assert first.result() == second.result()


def test_tasks_that_add_each_other_without_end_are_an_error(app, world, monkeypatch):
    monkeypatch.setattr("qtasks.testing.world.MOST_RUNS", 20)

    @app.task
    def again():
        again.add_task()

    again.add_task()
    with pytest.raises(LimitError, match="More than 20 tasks"):
        world.run()


def test_the_starter_of_the_application_is_used():
    made = []

    class Own(Starter):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    app = QueueTasks("world", f"memory://{new_id()}", starter=Own)
    app.task("t")(lambda: None)
    with World(app) as world:
        world.run()
    assert len(made) == 1


def test_a_running_worker_can_take_the_place_of_run(app, world):
    task = app.task("t")(lambda: "ran")
    with running(app):
        assert [task.add_task(timeout=PATIENCE_S).result() for _ in range(3)] == ["ran"] * 3


# What becomes of it.


def test_a_failure_is_among_what_ended(app, world):
    app.task("good")(lambda: 1)
    app.task("bad")(lambda: 1 / 0)
    app.add_task("bad")
    app.add_task("good")
    bad, good = world.run()
    assert (bad.status, bad.error, good.result()) == (TaskStatus.ERROR, "ZeroDivisionError: division by zero", 1)


def test_a_failure_is_raised_on_demand_when_all_has_run(app, world):
    ran = []
    app.task("bad")(lambda: 1 / 0)
    app.task("good")(lambda: ran.append(1))
    app.add_task("bad")
    app.add_task("good")
    with pytest.raises(TaskFailed, match="division by zero"):
        world.run(check=True)
    assert ran == [1]


def test_a_task_that_cancels_itself_is_no_failure(app, world):
    app.task("t", echo=True)(lambda self: self.ctx.cancel("not today"))
    app.add_task("t")
    [task] = world.run(check=True)
    assert task.status is TaskStatus.CANCEL


def test_results_are_shown_although_none_are_kept(app, world):
    app.task("t", result_ttl=0)(lambda: None)
    app.add_task("t")
    assert [task.status for task in world.run()] == [TaskStatus.SUCCESS]


# Time.


def test_time_stands_still(diary, world):
    note, noted = diary
    note.options(delay="1ms").add_task("later")
    threading.Event().wait(0.01)
    assert world.run() == []
    assert world.now == NEW_YEAR
    world.advance("1ms")
    assert noted == [("later", 0.001)]
    assert world.now == NEW_YEAR + dt.timedelta(milliseconds=1)


def test_without_a_beginning_it_is_now(app):
    with World(app) as world:
        assert abs(world.now - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=PATIENCE_S)


def test_a_beginning_without_a_time_zone_is_refused(app):
    with pytest.raises(ConfigError, match="time zone"):
        World(app, now=dt.datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_each_delayed_task_runs_at_its_moment(diary, world):
    note, noted = diary
    for delay in (30, 10, 3600, 3601):
        note.options(delay=delay).add_task(delay)
    assert len(world.advance("1h")) == 3
    assert noted == [(10, 10), (30, 30), (3600, 3600)]
    assert world.now == NEW_YEAR + dt.timedelta(hours=1)


def test_what_is_due_already_runs_before_time_passes(diary, world):
    note, noted = diary
    note.add_task("now")
    world.advance(60)
    assert noted == [("now", 0)]


def test_a_task_that_adds_itself_with_a_delay_runs_as_often_as_time_allows(app, world):
    at = []

    @app.task
    def poll():
        at.append((world.now - NEW_YEAR).total_seconds())
        poll.options(delay="10m").add_task()

    poll.add_task()
    world.advance("30m")
    assert at == [0, 600, 1200, 1800]


def test_attempts_are_repeated_after_their_back_off(app, world):
    at = []

    @app.task(retry=3, retry_delay=[10, 100])
    def fail():
        at.append((world.now - NEW_YEAR).total_seconds())
        raise OSError

    fail.add_task()
    assert world.run() == []
    [task] = world.advance("1h")
    assert at == [0, 10, 110, 210]
    assert task.status is TaskStatus.ERROR


def test_what_expires_meanwhile_does_not_run(diary, world):
    note, noted = diary
    task = note.options(delay="2h", expires="1h").add_task("stale")
    world.advance("3h")
    assert noted == []
    assert task.wait_result(0).status is TaskStatus.EXPIRED


def test_a_plugin_that_waits_for_moments_of_its_own_is_asked_at_each_of_them(app, world, diary):
    note, noted = diary

    class Chimes:
        """Strikes every full hour, as a plugin of schedules would."""

        done_us = 0

        @hookimpl
        async def worker_clock_moved(self, worker):
            now_us, hour_us = worker.runtime.clock.wall_us(), 3_600_000_000
            if now_us % hour_us == 0 and now_us > self.done_us:
                self.done_us = now_us
                await worker.runtime.producer.send(worker.link, [note(f"bell {len(noted)}").call])
            return (now_us // hour_us + 1) * hour_us

    app.add_plugin(Chimes())
    world.run()
    world.advance("2h")
    assert noted == [("bell 0", 0), ("bell 1", 3600), ("bell 2", 7200)]


# What was added.


def test_what_was_added_is_found_before_and_after_it_ran(app, world):
    mail = app.task("mail")(lambda to, copy=False: None)
    mail.add_task("ann")
    mail.add_task("bob", copy=True)
    for _ in range(2):
        assert len(world.assert_enqueued("mail")) == 2
        assert [task.args for task in world.assert_enqueued(mail, "ann")] == [["ann"]]
        world.assert_enqueued("mail", "bob", copy=True, count=1)
        world.assert_enqueued("mail", "cid", count=0)
        world.assert_enqueued("post", count=0)
        world.run()


def test_arguments_are_compared_as_they_travel(app, world):
    app.add_task("remind", NEW_YEAR, ("a", "b"))
    world.assert_enqueued("remind", NEW_YEAR, ("a", "b"))


def test_the_options_of_what_was_added_can_be_looked_at(app, world):
    app.task("mail", queue="slow")(print).options(delay="1h").add_task("ann")
    [task] = world.assert_enqueued("mail")
    assert task.queue == "slow"
    assert task.message.due == (NEW_YEAR + dt.timedelta(hours=1)).timestamp() * 1_000_000


def test_a_task_that_was_open_already_is_not_added_twice(app, world):
    mail = app.task("mail")(print)
    for _ in range(2):
        mail.options(unique="ann").add_task("ann")
    world.assert_enqueued(mail, count=1)


def test_a_missing_call_is_told_with_all_there_were(app, world):
    app.task("mail")(lambda to, **options: None)
    app.add_task("mail", "ann", copy=True)
    world.run()
    app.task("order")(print).options(delay="1h").add_task("tea")
    with pytest.raises(AssertionError) as raised:
        world.assert_enqueued("mail", "bob", urgent=True)
    assert str(raised.value).splitlines() == [
        "mail('bob', urgent=True) was to be enqueued at least once, and was 0 times. Enqueued was:",
        "  mail('ann', copy=True): success",
        "  order('tea'): new, due in 3,600 s",
    ]


def test_another_number_of_calls_is_told(app, world):
    with pytest.raises(AssertionError, match=r"^mail\(\.\.\.\) was to be enqueued 2 times, and was 0 times\."):
        world.assert_enqueued("mail", count=2)
    with pytest.raises(AssertionError, match=r"Enqueued was: nothing\.$"):
        world.assert_enqueued("mail", "ann")


# The block.


def test_an_application_gets_its_own_queue_back(app):
    own, clock = app.broker, app.runtime.clock
    with World(app):
        assert app.broker is not own
        added = app.add_task("t")
    assert app.broker is own
    assert app.runtime.clock is clock
    assert app.get(added.id) is None


def test_its_thread_ends_with_the_block(app):
    app.task("t")(print)
    with World(app) as world:
        world.run()
        assert any(thread.name.startswith("qtasks-world") for thread in threading.enumerate())
    assert not any(thread.name.startswith("qtasks-world") for thread in threading.enumerate())


def test_the_awaitable_face_runs_tasks_on_the_loop_of_the_test():
    app = AsyncQueueTasks("world", f"memory://{new_id()}")

    @app.task
    async def loop():
        return id(asyncio.get_running_loop())

    async def scenario():
        with AsyncWorld(app, now=NEW_YEAR) as world:
            await loop.add_task()
            await loop.options(delay="1d").add_task()
            [now] = await world.run()
            [later] = await world.advance("1d", check=True)
            world.assert_enqueued(loop, count=2)
            assert world.now == NEW_YEAR + dt.timedelta(days=1)
            return {now.result(), later.result()} == {id(asyncio.get_running_loop())}

    assert asyncio.run(scenario())


def test_the_blocking_face_serves_an_awaitable_application_and_a_test_on_a_loop():
    app = AsyncQueueTasks("world", f"memory://{new_id()}")

    @app.task
    async def double(x):
        return 2 * x

    async def scenario():
        with World(app) as world:
            await double.add_task(21)
            return [task.result() for task in world.run()]

    assert asyncio.run(scenario()) == [42]
