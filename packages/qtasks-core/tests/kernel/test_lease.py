"""The claim of a worker on its tasks: renewed beside the loop, given up in time, never written over."""

import asyncio
import logging
import threading
import time

import pytest
from kernel.support import PATIENCE_S, Gate, troubled_app, wait_until
from qtasks import QueueConfig, TaskStatus
from qtasks.errors import BackendCorruptError, BackendUnavailableError
from qtasks.testing import running
from qtasks.worker.lease import CELL_BYTES, Cell, Lease

SHORT = 0.3
"""A lease, seconds: short enough to be lost within a test, long enough for three beats."""


def short_lease_app():
    return troubled_app(QueueConfig(lease=SHORT))


# The lease itself.


def test_a_lease_that_was_never_renewed_is_not_held():
    assert not Lease(15).held()


def test_a_fresh_lease_is_held_and_each_has_an_owner_and_a_number_of_its_own():
    lease = Lease(15)
    owners = {lease.renew() for _ in range(3)}
    assert lease.held()
    assert len(owners) == lease.number == 3
    assert all(len(owner) == 32 for owner in owners)


def test_a_lease_is_given_up_before_it_ends_elsewhere():
    lease = Lease(6)
    lease.renew()
    lease._joined_ns = time.monotonic_ns() - 5_100_000_000
    assert not lease.held()


def test_a_confirmed_beat_lengthens_the_lease_of_its_incarnation_only():
    lease = Lease(6)
    lease.renew()
    lease._joined_ns -= 5_100_000_000
    lease.cell.confirm(time.monotonic_ns(), lease.number)
    assert lease.held()
    lease.renew()
    lease._joined_ns -= 5_100_000_000
    assert not lease.held()


def test_a_lost_lease_stays_lost_even_if_a_late_beat_is_confirmed():
    lease = Lease(6)
    lease.renew()
    lease._joined_ns -= 5_100_000_000
    assert not lease.held()
    lease.cell.confirm(time.monotonic_ns(), lease.number)
    assert not lease.held()
    lease.renew()
    assert lease.held()


def test_a_supervisor_and_a_worker_share_a_cell():
    memory = bytearray(CELL_BYTES)
    theirs, ours = Cell(memory), Cell(memory)
    theirs.confirm(123, 2)
    ours.step()
    assert (ours.confirmed_ns(2), ours.confirmed_ns(1), theirs.steps) == (123, 0, 1)


# In a worker.


def test_a_worker_renews_its_lease(monkeypatch):
    app, trouble = short_lease_app()
    app.task("t")(print)
    with running(app) as block:
        wait_until(lambda: trouble.calls.get("beat", 0) >= 5, "five beats were sent")
        assert block.worker.lease.held()
        assert block.worker.lease.number == 1


def test_a_beat_that_fails_is_sent_again(caplog):
    app, trouble = short_lease_app()
    app.task("t")(print)
    with caplog.at_level(logging.WARNING, "qtasks"), running(app) as block:
        trouble.refuse("beat")
        wait_until(lambda: trouble.over("beat") and trouble.calls["beat"] >= 3, "beats go on")
        assert block.worker.lease.number == 1
    assert "The lease could not be renewed: made up by the test" in caplog.messages


def test_a_beat_that_fails_in_an_unexpected_way_is_sent_again():
    app, trouble = short_lease_app()
    app.task("t")(print)
    with running(app):
        trouble.refuse("beat", error=ZeroDivisionError)
        wait_until(lambda: trouble.over("beat") and trouble.calls["beat"] >= 3, "beats go on")


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_worker_that_lost_its_lease_drops_what_it_has_and_begins_anew(kind):
    app, trouble = short_lease_app()
    started, again = [], threading.Event()
    gate = Gate()

    def function():
        started.append(1)
        if len(started) == 1:
            gate.pass_through()
            return "too late"
        again.set()
        return "the second time"

    async def coroutine():
        import asyncio

        started.append(1)
        if len(started) == 1:
            gate.reached.set()
            await asyncio.Event().wait()
        again.set()
        return "the second time"

    task = app.task("t")({"function": function, "coroutine": coroutine}[kind])
    with running(app, concurrency=2) as block:
        owner = block.worker.lease.owner
        added = task.add_task()
        gate.wait_reached()
        trouble.refuse("beat", 10_000)
        wait_until(lambda: block.worker.lease.owner != owner, "a new incarnation began")
        trouble.before.clear()
        assert again.wait(PATIENCE_S)
        gate.open()
        done = added.wait_result(PATIENCE_S)
        assert done.result() == "the second time"
        assert done.record.history == []
        if kind == "function":
            wait_until(lambda: block.worker.refused >= 1, "the late outcome was refused")
    assert app.get(added.id).returning == "the second time"
    assert len(started) == 2


def test_nothing_is_started_without_a_lease():
    app, trouble = short_lease_app()
    ran = []
    app.task("t")(ran.append)
    with running(app) as block:
        trouble.refuse("beat", 10_000)
        trouble.refuse("join", 10_000)
        wait_until(lambda: not block.worker.lease.held(), "the lease is lost")
        added = app.add_task("t", 1)
        wait_until(lambda: len(trouble.before["join"]) < 9_998, "it tries to join again")
        assert ran == []
        trouble.before.clear()
        assert added.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS


def test_what_was_taken_for_an_incarnation_that_is_over_goes_back_at_once():
    """The take of the old incarnation is still waiting when a new one has begun, and then it gets something."""
    app, trouble = troubled_app(QueueConfig(lease=10 * PATIENCE_S))
    ran = []
    task = app.task("t")(ran.append)
    with running(app) as block:
        wait_until(lambda: trouble.calls.get("take"), "it waits for tasks")
        block.worker.lease.lose()
        wait_until(lambda: block.worker.lease.number == 2, "a new incarnation began")
        tasks = app.add_tasks([task(number) for number in range(5)])
        assert all(one.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for one in tasks)
    assert sorted(ran) == list(range(5))


def test_a_worker_that_cannot_join_again_at_once_says_so_once_in_a_while(caplog):
    app, trouble = short_lease_app()
    app.task("t")(print)
    with caplog.at_level(logging.WARNING, "qtasks"), running(app) as block:
        trouble.refuse("beat", 10_000)
        trouble.refuse("join", 3)
        wait_until(lambda: trouble.over("join") and block.worker.lease.held(), "it has joined again")
        trouble.before.clear()
    assert sum("The broker does not answer" in message for message in caplog.messages) == 1


# Outcomes and the broker's failures.


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
    app, _ = troubled_app(QueueConfig(lease=SHORT))
    app.task("t")(print)

    def workers():
        return app.runtime.run_blocking(lambda link: link.storage.workers())

    with running(app) as block:
        wait_until(workers, "it reports itself")
        assert workers()[0].owner == block.worker.lease.owner
    assert workers() == []
