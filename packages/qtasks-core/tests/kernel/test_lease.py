"""The claim of a worker on its tasks: renewed beside the loop, given up in time, never written over."""

import asyncio
import contextlib
import logging
import threading
import time

import pytest
from kernel.support import PATIENCE_S, Gate, TroubledBroker, new_store, short_lease_app, troubled_app, wait_until
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.message import new_id
from qtasks.testing import running
from qtasks.worker.lease import CELL_BYTES, Cell, Lease

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


def test_no_beat_is_under_way_when_a_worker_closes_its_connections(monkeypatch):
    app = QueueTasks("kernel", f"memory://{new_id()}")
    app.task("t")(print)
    alive = []
    close = app.broker.close

    async def closing():
        alive.extend(each.name for each in threading.enumerate() if each.name == "qtasks-leases")
        await close()

    monkeypatch.setattr(app.broker, "close", closing)
    with running(app):
        assert any(each.name == "qtasks-leases" for each in threading.enumerate())
    assert alive == []


def test_a_beat_that_fails_is_sent_again(caplog):
    app, trouble = short_lease_app()
    app.task("t")(print)
    with caplog.at_level(logging.WARNING, "qtasks"), running(app) as block:
        trouble.refuse("beat")
        wait_until(lambda: trouble.over("beat") and trouble.calls["beat"] >= 3, "beats go on")
        assert block.worker.lease.number == 1
    assert "The leases could not be renewed: made up by the test" in caplog.messages


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


class Asked(TroubledBroker):
    """Notes for how many tasks each incarnation asks at a time."""

    def __init__(self, *args):
        super().__init__(*args)
        self.limits = []

    async def take(self, owner, queues, limit, wait_s, in_hand=None):
        self.limits.append((owner, limit))
        return await super().take(owner, queues, limit, wait_s, in_hand)


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_slot_that_a_run_of_a_lost_lease_still_holds_is_not_free(kind):
    store = new_store()
    broker = Asked(store)
    app = QueueTasks(
        "kernel",
        broker=broker,
        storage=MemoryStorage(store, "test"),
        global_config=MemoryGlobalConfig(store, "test"),
        config=QueueConfig(lease=10 * PATIENCE_S),
    )
    gate = Gate()

    async def coroutine():
        gate.reached.set()
        while not gate._open.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    held = app.task("held")({"function": gate.pass_through, "coroutine": coroutine}[kind])
    task = app.task("t")(lambda: None)
    with running(app, concurrency=3) as block:
        lost = block.worker.lease.owner
        held.add_task()
        gate.wait_reached()
        block.worker.lease.lose()

        def asked():
            return [limit for owner, limit in broker.limits if owner != lost]

        wait_until(asked, "the new incarnation asks for tasks")
        assert asked() == [2]
        gate.open()
        wait_until(lambda: not block.worker.threads.running | block.worker.coroutines.running, "the old run has ended")
        task.add_task(timeout=PATIENCE_S)
        wait_until(lambda: max(asked()) >= 3, "all slots are free again")
