"""A broker that fails under a worker: nothing that was done or taken is lost, and nothing is stranded."""

import asyncio
import logging
import threading

import pytest
from kernel.support import PATIENCE_S, Gate, short_lease_app, troubled_app, wait_until
from qtasks import TaskStatus
from qtasks.errors import BackendCorruptError, BackendUnavailableError
from qtasks.executor.executor import TaskExecutor
from qtasks.testing import running
from qtasks.worker.flush import MAX_ITEMS


@pytest.mark.parametrize("kind", ["refused", "reply lost"])
def test_an_outcome_that_could_not_be_written_is_written_again(kind):
    app, trouble = troubled_app()
    runs = []
    task = app.task("t")(lambda: runs.append(1) or "result")
    with running(app):
        (trouble.refuse if kind == "refused" else trouble.lose_reply)("finish", 3)
        assert task.add_task(timeout=PATIENCE_S).result() == "result"
        wait_until(lambda: trouble.over("finish"), "all failures were met")
        assert task.add_task(timeout=PATIENCE_S).result() == "result"
    assert len(runs) == 2


def test_outcomes_gather_while_the_broker_is_away():
    app, trouble = troubled_app()
    task = app.task("t")(lambda x: x)
    with running(app, concurrency=50):
        trouble.refuse("finish", 4)
        tasks = app.add_tasks([task(number) for number in range(30)])
        assert [one.wait_result(PATIENCE_S).result() for one in tasks] == list(range(30))


@pytest.mark.parametrize("kind", ["refused", "reply lost"])
def test_tasks_whose_handing_over_failed_are_taken_again(kind):
    """After a lost reply the broker thinks that the worker has them; the next take says that it has not."""
    app, trouble = troubled_app()
    runs = []
    task = app.task("t")(runs.append)
    (trouble.refuse if kind == "refused" else trouble.lose_reply)("take", 2)
    tasks = app.add_tasks([task(number) for number in range(20)])
    with running(app):
        assert all(one.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for one in tasks)
    assert sorted(runs) == list(range(20))


def test_a_lost_reply_of_a_take_does_not_run_again_what_is_in_hand():
    app, trouble = troubled_app()
    gate, runs = Gate(), []

    def function(number):
        runs.append(number)
        if number == 0:
            gate.pass_through()

    task = app.task("t")(function)
    with running(app, concurrency=4):
        first = task.add_task(0)
        gate.wait_reached()
        trouble.lose_reply("take")
        rest = app.add_tasks([task(number) for number in range(1, 4)])
        assert all(one.wait_result(PATIENCE_S) for one in rest)
        gate.open()
        assert first.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert sorted(runs) == [0, 1, 2, 3]


def test_one_outcome_that_the_broker_cannot_take_costs_the_others_nothing():
    app, trouble = troubled_app()
    task = app.task("t")(lambda x: x)
    with running(app, concurrency=20):
        trouble.refuse("finish", error=ZeroDivisionError)
        tasks = app.add_tasks([task(number) for number in range(20)])
        assert all(one.wait_result(PATIENCE_S).status.terminal for one in tasks)
    assert sum(one.status is TaskStatus.SUCCESS for one in tasks) >= 19


def test_an_outcome_that_the_broker_cannot_take_is_an_error_of_its_task():
    app, trouble = troubled_app()
    task = app.task("t")(lambda: "odd")
    with running(app):
        trouble.refuse("finish", error=ZeroDivisionError)
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error == "ZeroDivisionError: made up by the test"


def test_a_broker_that_is_away_for_longer_than_the_lease_costs_a_second_run_and_no_more():
    """The old outcome is dropped, the task runs again, and its second outcome is written: nothing is stranded."""
    app, trouble = short_lease_app()
    runs = []

    def function(number):
        runs.append(number)
        return number

    task = app.task("t")(function)
    with running(app, concurrency=2) as block:
        owner = block.worker.lease.owner
        for method in ("finish", "beat"):
            trouble.refuse(method, 10_000)
        tasks = app.add_tasks([task(number) for number in range(5)])
        wait_until(lambda: block.worker.lease.owner != owner, "the lease was lost")
        trouble.before.clear()
        assert [one.wait_result(PATIENCE_S).result() for one in tasks] == list(range(5))
        wait_until(lambda: not block.worker.in_hand, "nothing is stranded in the worker")
    assert all(runs.count(number) <= 2 for number in range(5))


def test_an_outcome_that_is_refused_does_not_strand_the_next_run_of_its_task():
    """The lease is lost while a finish is on its way; when it is refused, the same worker has the task again."""
    app, trouble = troubled_app()
    first, again, finish = Gate(), Gate(), Gate()
    gates = [again, first]

    def function():
        gates.pop().pass_through()
        return 2 - len(gates)

    task = app.task("t")(function)
    trouble.gates["finish"] = finish
    with running(app, concurrency=2) as block:
        owner = block.worker.lease.owner
        added = task.add_task()
        first.wait_reached()
        wait_until(lambda: trouble.calls["take"] >= 2, "the worker waits for more: the flush is not its affair")
        first.open()
        finish.wait_reached()
        block.worker.lease.lose()
        app.runtime.run_blocking(lambda link: link.broker.release(owner))
        again.wait_reached()
        finish.open()
        wait_until(lambda: block.worker.flusher.pending == 0, "the first outcome was refused")
        again.open()
        assert added.wait_result(PATIENCE_S).result() == 2


def test_a_broker_that_fails_at_the_end_does_not_keep_the_worker(caplog):
    app, trouble = troubled_app()
    task = app.task("t")(lambda: 1)
    with caplog.at_level(logging.WARNING, "qtasks"), running(app):
        task.add_task(timeout=PATIENCE_S)
        trouble.refuse("release", error=BackendCorruptError)
    assert "could not be handed back" in caplog.text


def test_a_stream_of_a_worker_that_lost_its_lease_is_refused():
    app, trouble = short_lease_app()
    gate, attempts = Gate(), []

    @app.task
    def stepwise():
        attempts.append(1)
        run = len(attempts)
        yield f"run {run}"
        if run == 1:
            gate.pass_through()
            yield "too late"

    with running(app, concurrency=2) as block:
        owner = block.worker.lease.owner
        added = stepwise.add_task()
        gate.wait_reached()
        trouble.refuse("beat", 10_000)
        wait_until(lambda: block.worker.lease.owner != owner, "a new incarnation began")
        trouble.before.clear()
        assert added.wait_result(PATIENCE_S).result() == ["run 2"]
        gate.open()
        wait_until(lambda: not block.worker.threads.running, "the old run has ended")
        assert list(added.stream()) == ["run 2"]


def test_a_worker_whose_lease_was_taken_from_it_begins_anew_with_its_next_take():
    """Its own clock says that the lease holds for 15 s more: only the broker knows better."""
    app, _ = troubled_app()
    task = app.task("t")(lambda: "done")
    with running(app) as block:
        owner = block.worker.lease.owner
        app.runtime.run_blocking(lambda link: link.broker.release(owner))
        wait_until(lambda: block.worker.lease.owner != owner, "a new incarnation began")
        assert task.add_task(timeout=PATIENCE_S).result() == "done"
        assert block.worker.lease.number == 2


def test_a_lease_that_two_find_lost_is_begun_anew_once():
    app, trouble = troubled_app()
    app.task("t")(print)
    with running(app) as block:
        worker = block.worker
        owner = worker.lease.owner

        async def fence_twice():
            await asyncio.gather(worker.fence(owner), worker.fence(owner))

        asyncio.run_coroutine_threadsafe(fence_twice(), worker._loop).result(PATIENCE_S)
        assert (worker.lease.number, trouble.calls["join"]) == (2, 2)


@pytest.mark.parametrize("kind", ["reply lost", "cancelled"])
def test_a_draining_worker_hands_back_at_once_what_a_lost_take_gave_it(kind, monkeypatch):
    """A long task keeps it draining; nobody must wait for that."""
    app, _ = troubled_app()
    gate, armed = Gate(), threading.Event()
    long, short = app.task("long")(gate.pass_through), app.task("short")(print)
    take = app.broker.take

    async def take_and_stop(*args, **options):
        deliveries = await take(*args, **options)
        if deliveries and armed.is_set():
            block.worker.stop(PATIENCE_S)
            if kind == "cancelled":
                await asyncio.Event().wait()
            raise BackendUnavailableError("the reply was lost by the test")
        return deliveries

    monkeypatch.setattr(app.broker, "take", take_and_stop)
    with running(app, concurrency=2) as block:
        first = long.add_task()
        gate.wait_reached()
        armed.set()
        second = short.add_task()
        wait_until(lambda: block.worker.stopping, "it was stopped within a take")
        wait_until(lambda: app.get(second.id).status is TaskStatus.NEW, "the task is back")
        assert app.get(first.id).status is TaskStatus.PROCESS
        gate.open()
    assert app.get(first.id).status is TaskStatus.SUCCESS


def test_a_worker_that_has_left_is_not_listed_any_more():
    app, _ = short_lease_app()
    app.task("t")(print)

    def workers():
        return app.runtime.run_blocking(lambda link: link.storage.workers())

    with running(app) as block:
        wait_until(workers, "it reports itself")
        assert workers()[0].owner == block.worker.lease.owner
    assert workers() == []


class LedByTheLoop(TaskExecutor):
    suspends = True


@pytest.mark.parametrize("kind", ["generator", "async_generator", "generator_led_by_the_loop"])
def test_a_generator_waits_while_its_values_cannot_be_written(kind):
    app, trouble = troubled_app()
    waiting = []

    def note(_value=None):
        waiting.append(len(block.worker.flusher._items))

    def generator():
        for number in range(2000):
            note()
            yield number

    async def async_generator():
        for number in generator():
            yield number

    executor = LedByTheLoop if kind == "generator_led_by_the_loop" else None
    task = app.task("t", executor=executor)(async_generator if kind == "async_generator" else generator)
    trouble.gates["finish"] = gate = Gate()
    with running(app) as block:
        added = task.add_task()
        gate.wait_reached()
        wait_until(lambda: len(block.worker.flusher._items) >= MAX_ITEMS, "many values wait")
        gate.open()
        done = added.wait_result(PATIENCE_S)
        assert done.result() == list(done.stream()) == list(range(2000))
    assert max(waiting) <= MAX_ITEMS
