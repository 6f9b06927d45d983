"""Adding tasks by object and by name, one or many; waiting for them; cancelling those that wait."""

import asyncio
import datetime as dt
import threading

import pytest
from kernel.support import PATIENCE_S, Gate, troubled_app
from qtasks import QueueTasks, TaskStatus
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.testing import running

UTC = dt.UTC


# Who adds, and how.


def test_a_task_is_added_by_its_name_where_it_is_not_registered(app, url):
    producer = QueueTasks("kernel", url)
    app.task("double")(lambda x: x * 2)
    with running(app):
        assert producer.add_task("double", 4, timeout=PATIENCE_S).returning == 8
    producer.close()


def test_a_task_is_added_by_its_name_with_keywords(app):
    app.task("sum")(lambda x, *, y: x + y)
    with running(app):
        assert app.add_task("sum", 4, y=5, timeout=PATIENCE_S).result() == 9


def test_arguments_named_like_options_go_through_options(app):
    @app.task
    def odd(priority, timeout, queue="?"):
        return [priority, timeout, queue]

    with running(app):
        done = odd.options(timeout=PATIENCE_S)("p", "t", queue="q").add_task()
        assert done.result() == ["p", "t", "q"]
        assert odd.options(timeout=PATIENCE_S).add_task(1, timeout=2).result() == [1, 2, "?"]


def test_a_prepared_call_can_be_added_again_and_again(app):
    call = app.task("t")(lambda x: x)(7, timeout=PATIENCE_S)
    assert repr(call) == "<SyncCall t>"
    with running(app):
        first, second = call.add_task(), call.add_task()
    assert first.result() == second.result() == 7
    assert first.uuid != second.uuid


def test_many_calls_are_added_in_one_round_trip_and_in_order():
    app, trouble = troubled_app()
    task = app.task("t")(lambda x: x)
    other = app.task("other")(lambda x: -x)
    tasks = app.add_tasks([task(1), other(2), task.options(priority=3)(3)])
    assert trouble.calls["publish"] == 1
    assert [one.task_name for one in tasks] == ["t", "other", "t"]
    with running(app):
        assert [one.wait_result(PATIENCE_S).result() for one in tasks] == [1, -2, 3]


def test_no_calls_are_no_round_trip():
    app, trouble = troubled_app()
    assert app.add_tasks([]) == []
    assert trouble.calls.get("publish", 0) == 0


def test_many_calls_are_added_on_a_loop(async_app):
    task = async_app.task("t")(lambda x: x)

    async def main():
        tasks = await async_app.add_tasks([task(x) for x in range(5)])
        async with running(async_app):
            return [(await one.wait_result_async(PATIENCE_S)).result() for one in tasks]

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_a_handle_knows_what_was_asked_for(app):
    task = app.task("t", priority=7, queue="mail")(print)
    before = dt.datetime.now(UTC)
    added = task.add_task(1, "a", end="")
    assert (added.task_name, added.priority, added.queue) == ("t", 7, "mail")
    assert (added.args, added.kwargs) == ([1, "a"], {"end": ""})
    assert before - dt.timedelta(milliseconds=1) <= added.created_at <= dt.datetime.now(UTC)
    assert added.updated_at == added.created_at
    assert (added.status, added.returning, added.traceback, added.cancel_reason) == (TaskStatus.NEW, None, None, None)
    assert added.uuid.hex == added.id
    assert repr(added) == f"<Task t {added.id} new>"
    assert app.get(added.uuid).args == app.get(added.id).args == [1, "a"]


def test_a_result_is_not_had_before_the_task_has_ended(app):
    added = app.task(print).add_task()
    with pytest.raises(Exception, match=r"has not ended: status new\.\nCall wait_result\(\) first\."):
        added.result()


def test_an_unknown_id_has_no_task(app):
    assert app.get(new_id()) is None
    assert app.cancel(new_id()) == "unknown"
    with pytest.raises(ConfigError, match="'abc' is not the id of a task"):
        app.get("abc")


# Waiting.


def test_add_task_with_a_timeout_returns_none_when_time_is_up(app):
    assert app.task("t")(print).add_task(timeout=0.01) is None
    assert app.add_task("t", timeout=0) is None


def test_add_task_with_a_timeout_awaits_none_when_time_is_up(async_app):
    task = async_app.task("t")(print)

    async def main():
        answers = await task.add_task(timeout=0.01), await async_app.add_task("t", timeout=0)
        await async_app.close()
        return answers

    assert asyncio.run(main()) == (None, None)


def test_who_waits_is_told_at_once_however_many_wait(app):
    gate = Gate()

    @app.task
    def slow():
        gate.pass_through()
        return "told"

    with running(app):
        added = slow.add_task()
        answers = []

        def wait():
            answers.append(app.get(added.id).wait_result(PATIENCE_S).result())

        threads = [threading.Thread(target=wait) for _ in range(5)]
        for thread in threads:
            thread.start()
        gate.open()
        for thread in threads:
            thread.join()
    assert answers == ["told"] * 5


def test_a_result_that_is_not_kept_is_given_to_who_waits(app):
    task = app.task("t", result=False)(lambda: "seen")
    with running(app):
        done = task.add_task(timeout=PATIENCE_S)
    assert done is None or done.result() == "seen"


def test_a_result_is_kept_for_its_time(memory_app, clock):
    short = memory_app.task("short", result_ttl="10s")(lambda: 1)
    failing = memory_app.task("failing", result_ttl="10s")(lambda: 1 / 0)
    with running(memory_app):
        done, failed = short.add_task(timeout=PATIENCE_S), failing.add_task(timeout=PATIENCE_S)
        clock.advance(9)
        memory_app.runtime.run_blocking(lambda link: link.broker.beat([]))
        assert memory_app.get(done.id).returning == 1
        clock.advance(2)
        memory_app.runtime.run_blocking(lambda link: link.broker.beat([]))
        assert memory_app.get(done.id) is None
        assert memory_app.get(failed.id).status is TaskStatus.ERROR


# Cancelling what waits.


def test_a_waiting_task_is_cancelled_at_once(app):
    ran = []
    task = app.task("t")(ran.append)
    added = task.add_task(1)
    assert app.cancel(added.uuid, "no longer wanted") == "cancelled"
    found = app.get(added.id)
    assert (found.status, found.cancel_reason) == (TaskStatus.CANCEL, "no longer wanted")
    assert app.cancel(added.id) == "finished"
    with running(app, burst=True):
        pass
    assert ran == []


def test_a_waiting_task_is_cancelled_on_a_loop(async_app):
    task = async_app.task("t")(print)

    async def main():
        added = await task.add_task()
        answers = await async_app.cancel(added.uuid, "why"), (await async_app.get(added.id)).cancel_reason
        await async_app.close()
        return answers

    assert asyncio.run(main()) == ("cancelled", "why")


def test_who_waits_for_a_task_is_told_that_it_was_cancelled(app):
    added = app.task("t")(print).add_task()
    threading.Timer(0.01, lambda: app.cancel(added.id, "stop")).start()
    assert added.wait_result(PATIENCE_S).status is TaskStatus.CANCEL
    with pytest.raises(Exception, match=f"Task t {added.id} ended with status cancel"):
        added.result()


@pytest.mark.parametrize("limit", ["20s", dt.timedelta(seconds=20), None], ids=["text", "timedelta", "none"])
def test_a_wait_is_limited_by_any_duration_or_by_none(app, limit):
    task = app.task("t")(lambda: 1)
    with running(app):
        assert task.add_task().wait_result(limit).result() == 1
        assert asyncio.run(wait_and_close(app, task.add_task(), limit)).result() == 1


async def wait_and_close(app, added, limit):
    ended = await added.wait_result_async(limit)
    await app.runtime.link.close()
    return ended


@pytest.mark.parametrize("limit", ["soon", -1, True])
def test_what_is_no_duration_is_no_limit_of_a_wait(memory_app, limit):
    added = memory_app.task("t")(print).add_task()
    with pytest.raises(ConfigError, match=r"^timeout: "):
        added.wait_result(limit)
    with pytest.raises(ConfigError, match=r"^timeout: "):
        asyncio.run(added.wait_result_async(limit))
    with pytest.raises(ConfigError, match=r"^timeout: "):
        added.stream(timeout=limit)


def test_what_is_no_list_of_calls_is_not_added(memory_app):
    task = memory_app.task("t")(print)
    for calls in (task(1), task, 3):
        with pytest.raises(ConfigError, match="add_tasks takes a list of prepared calls") as raised:
            memory_app.add_tasks(calls)
        assert raised.value.hint == "Write app.add_tasks([task(1), task(2)])."
    with pytest.raises(ConfigError, match="add_tasks takes prepared calls, found <SyncTask t>"):
        memory_app.add_tasks([task])


def test_calls_may_come_from_a_generator(memory_app):
    task = memory_app.task("t")(print)
    assert [added.args for added in memory_app.add_tasks(task(number) for number in range(3))] == [[0], [1], [2]]


def test_a_task_in_the_place_of_its_name_is_told_how_it_is_added(memory_app):
    task = memory_app.task("thumbnail")(print)
    with pytest.raises(ConfigError, match="found <SyncTask thumbnail>") as raised:
        memory_app.add_task(task, "a")
    assert raised.value.hint == "Write thumbnail.add_task(...)."


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("delay", "add_task(...)"),
        ("send", "add_task(...)"),
        ("kiq", "add_task(...)"),
        ("enqueue", "add_task(...)"),
        ("apply_async", "options(...).add_task(...)"),
        ("s", "options(...)(...)"),
    ],
)
def test_the_methods_of_other_queues_are_told_what_they_are_called_here(memory_app, word, ours):
    task = memory_app.task("t")(print)
    with pytest.raises(AttributeError) as raised:
        getattr(task, word)
    assert str(raised.value) == f"A task has no attribute {word!r}. Here it is {ours}."


def test_an_attribute_that_no_queue_has_is_only_missing(memory_app):
    task = memory_app.task("t")(print)
    with pytest.raises(AttributeError, match=r"^A task has no attribute 'nonsense'\.$"):
        _ = task.nonsense


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_task_is_asked_for_by_a_name(memory_app, name):
    with pytest.raises(ConfigError, match="task's name"):
        memory_app.add_task(name)
