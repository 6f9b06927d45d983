"""How a worker ends: what runs is finished within the grace, all else is handed back."""

import asyncio
import threading

import pytest
from kernel.support import PATIENCE_S, Gate, queue_of, troubled_app, wait_until
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.app.starter import Starter
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import BackendUnavailableError
from qtasks.message import new_id
from qtasks.testing import running


def test_what_runs_is_finished_and_what_waits_is_handed_back(app):
    gate = Gate()
    task = app.task("t")(lambda x: gate.pass_through())
    with running(app, concurrency=1) as block:
        tasks = app.add_tasks([task(number) for number in range(5)])
        gate.wait_reached()
        block.stop()
        wait_until(lambda: block.worker.stopping, "the worker has heard it")
        wait_until(lambda: queue_of(app).ready == 4, "the others are handed back while one still runs")
        gate.open()
    assert [app.get(one.id).status for one in tasks] == [TaskStatus.SUCCESS] + [TaskStatus.NEW] * 4
    assert queue_of(app).running == 0
    assert app.get(tasks[1].id).record.attempt == 0


def test_a_coroutine_that_outlasts_the_grace_is_cancelled_and_handed_back(url):
    app = QueueTasks("kernel", url, config=QueueConfig(grace=0))
    runs, cleaned = [], []

    @app.task
    async def slow():
        runs.append(1)
        if len(runs) > 1:
            return "second time"
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    with running(app):
        added = slow.add_task()
        wait_until(lambda: runs, "it runs")
    found = app.get(added.id)
    assert (found.status, found.record.attempt, cleaned) == (TaskStatus.NEW, 0, ["up"])
    with running(app):
        assert added.wait_result(PATIENCE_S).result() == "second time"
    app.close()


def test_a_coroutine_that_ignores_its_cancellation_is_left_behind():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(grace=0))
    going_on = []

    @app.task
    async def stubborn():
        going_on.append(1)
        while going_on:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                going_on.append(1)
            if len(going_on) > 3:
                going_on.clear()

    with running(app):
        added = stubborn.add_task()
        wait_until(lambda: going_on, "it runs")
    assert app.get(added.id).status is TaskStatus.NEW


def test_a_function_that_outlasts_the_grace_is_handed_back():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(grace=0))
    gate = Gate()
    task = app.task("t")(gate.pass_through)
    with running(app):
        added = task.add_task()
        gate.wait_reached()
    assert app.get(added.id).status is TaskStatus.NEW
    gate.open()


def test_a_worker_that_is_stopped_before_it_runs_runs_nothing(app):
    app.task("t")(print)
    added = app.add_task("t")
    starter = Starter(app)
    starter.stop()
    starter.run()
    assert app.get(added.id).status is TaskStatus.NEW


def test_stopping_twice_is_stopping_once(app):
    app.task("t")(print)
    with running(app) as block:
        block.stop()
        block.stop()


def test_a_burst_ends_when_the_queues_are_empty(app):
    task = app.task("t", retry=1, retry_delay=0)(lambda x: x)
    later = app.task("later")(print).options(delay="1h").add_task()
    tasks = app.add_tasks([task(number) for number in range(50)])
    Starter(app, burst=True).run()
    assert [app.get(one.id).returning for one in tasks] == list(range(50))
    assert app.get(later.id).status is TaskStatus.NEW


def test_a_burst_waits_for_what_its_tasks_add(app):
    @app.task
    def countdown(number):
        if number:
            countdown.add_task(number - 1)

    countdown.add_task(5)
    Starter(app, burst=True).run()
    assert queue_of(app).ready == queue_of(app).running == 0
    assert queue_of(app).finished == 6


def test_a_worker_that_never_reaches_its_broker_says_so():
    app, trouble = troubled_app()
    app.task("t")(print)
    trouble.refuse("join")
    with pytest.raises(BackendUnavailableError), running(app):
        pass
    trouble.refuse("join")
    with pytest.raises(BackendUnavailableError):
        app.run_forever()


def test_an_application_runs_for_ever_until_it_is_stopped(app):
    task = app.task("t")(lambda: "ran")
    thread = threading.Thread(target=app.run_forever)
    thread.start()
    assert task.add_task(timeout=PATIENCE_S).result() == "ran"
    app.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_stop_may_be_awaited_in_the_awaitable_face(recwarn):
    async def main():
        app = AsyncQueueTasks("kernel", f"memory://{new_id()}")
        app.stop()
        return await app.stop()

    assert asyncio.run(main()) is None
    assert not recwarn.list


def test_a_stop_without_a_worker_is_nothing(app):
    app.stop()
