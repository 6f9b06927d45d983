"""The worker in process: how many tasks it runs, what it takes, how it shares, whom it runs alone."""

import asyncio
import threading
import time

import pytest
from kernel.support import PATIENCE_S, Gate, broker_of, queue_of, troubled_app, wait_until
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.testing import running

# Slots.


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_no_more_tasks_run_at_a_time_than_there_are_slots(app, kind):
    lock, running_now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3, timeout=PATIENCE_S)

    def enter():
        with lock:
            running_now[0] += 1
            most[0] = max(most[0], running_now[0])

    def leave():
        with lock:
            running_now[0] -= 1

    def function():
        enter()
        full.wait()
        leave()

    async def coroutine():
        enter()
        await asyncio.to_thread(full.wait)
        leave()

    task = app.task("t")({"function": function, "coroutine": coroutine}[kind])
    with running(app, concurrency=3):
        tasks = app.add_tasks([task() for _ in range(12)])
        assert all(one.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for one in tasks)
    assert most == [3]


def test_the_config_says_how_many_slots_there_are(url):
    app = QueueTasks("kernel", url, config=QueueConfig(max_tasks_process=4))
    app.task(print)
    with running(app) as block:
        assert block.worker.concurrency == 4
    app.close()


@pytest.mark.parametrize("concurrency", [-1, -10])
def test_a_worker_has_slots(memory_app, concurrency):
    memory_app.task(print)
    with pytest.raises(ConfigError, match="expected at least 1 slot"):
        running(memory_app, concurrency=concurrency)


def test_a_worker_without_tasks_has_nothing_to_serve(memory_app):
    with pytest.raises(ConfigError, match="No task is registered") as raised:
        running(memory_app)
    assert raised.value.hint == "Add @app.task functions."


# Sharing.


def test_each_of_many_tasks_runs_once_however_many_workers_there_are(app, url):
    ran, lock = [], threading.Lock()

    def note(number):
        with lock:
            ran.append(number)

    other = QueueTasks("kernel", url)
    task = app.task("t")(note)
    other.task("t")(note)
    with running(app, name="a"), running(other, name="b"):
        tasks = app.add_tasks([task(number) for number in range(300)])
        assert all(one.wait_result(PATIENCE_S) for one in tasks)
    other.close()
    assert sorted(ran) == list(range(300))


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_what_was_prefetched_and_cannot_start_is_handed_to_another_worker(memory_app, monkeypatch, kind):
    """One worker is stuck in its first task with the others in hand; a second one gets them."""
    monkeypatch.setattr("qtasks.worker.intake.WAIT_S", 10 * PATIENCE_S)
    gate = Gate()

    deliveries = []

    def function(self, number):
        deliveries.append(self.ctx.delivery)
        if number == 0:
            gate.pass_through()
        return number

    async def coroutine(self, number):
        deliveries.append(self.ctx.delivery)
        if number == 0:
            await asyncio.to_thread(gate.pass_through)
        return number

    function_ = {"function": function, "coroutine": coroutine}[kind]
    task = memory_app.task("t", echo=True)(function_)
    other = QueueTasks("kernel", broker=memory_app.broker, storage=memory_app.storage)
    other.task("t", echo=True)(function_)
    with running(memory_app, concurrency=1):
        warm = memory_app.add_tasks([task(1) for _ in range(100)])  # the stuck worker prefetches by now
        stuck = task.add_task(0)
        rest = memory_app.add_tasks([task(number) for number in range(2, 30)])
        assert all(one.wait_result(PATIENCE_S) for one in warm)
        gate.wait_reached()
        with running(other):
            assert [one.wait_result(PATIENCE_S).result() for one in rest] == list(range(2, 30))
        gate.open()
        assert stuck.wait_result(PATIENCE_S).result() == 0
    assert all(one.record.attempt == 0 and one.record.history == [] for one in rest)
    assert max(deliveries) <= 2, "what was handed back was not taken again by who cannot start it"


def test_prefetch_is_the_free_slots_and_the_recently_finished(memory_app):
    """A worker that runs nothing short takes no more than it can start."""
    gates = [Gate() for _ in range(2)]

    @memory_app.task
    def slow(number):
        gates[number].pass_through()

    task = memory_app.task("t")(lambda: None)
    with running(memory_app, concurrency=2) as block:
        started = memory_app.add_tasks([slow(0), slow(1)])
        for gate in gates:
            gate.wait_reached()
        rest = memory_app.add_tasks([task() for _ in range(20)])
        wait_until(lambda: block.worker.waiting == 0, "nothing waits in the worker")
        assert queue_of(memory_app).running == 2
        for gate in gates:
            gate.open()
        assert all(one.wait_result(PATIENCE_S) for one in [*started, *rest])


# Suspects.


def with_deaths(app, task, deaths):
    """Add a task and let a worker die with it, so many times."""
    added = task.add_task()
    broker = broker_of(app)
    for number in range(deaths):
        owner = new_id()
        broker.join(owner, f"victim-{number}", 15)
        assert broker.take(owner, ["default"], 1, 0)
        broker.release(owner, death="killed by signal 9")
    return added


def test_a_suspect_runs_alone(memory_app):
    gate, companions = Gate(), []

    @memory_app.task
    def suspicious():
        gate.pass_through()

    innocent = memory_app.task("innocent")(lambda: companions.append(1))
    suspect = with_deaths(memory_app, suspicious, 1)
    with running(memory_app, concurrency=5) as block:
        innocents = memory_app.add_tasks([innocent() for _ in range(10)])
        gate.wait_reached()
        alone = [len(block.worker.in_hand) - block.worker.flusher.pending]
        ran_before = len(companions)
        assert innocent.add_task(timeout=0.1) is None, "nothing is taken beside it"
        gate.open()
        assert suspect.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
        assert all(one.wait_result(PATIENCE_S) for one in innocents)
    assert alone == [1]
    assert ran_before + len([one for one in innocents if one.status is TaskStatus.SUCCESS]) >= 10
    assert suspect.record.crashes == 1


def test_several_suspects_run_one_after_the_other(memory_app):
    together, most, lock = [0], [0], threading.Lock()

    @memory_app.task
    def suspicious():
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        time.sleep(0)
        with lock:
            together[0] -= 1

    suspects = [with_deaths(memory_app, suspicious, 2)]
    owner, broker = new_id(), broker_of(memory_app)
    more = memory_app.add_tasks([suspicious() for _ in range(4)])
    broker.join(owner, "victim", 15)
    assert len(broker.take(owner, ["default"], 5, 0)) == 5
    assert len(broker.release(owner, death="killed by signal 9")) == 5
    with running(memory_app, concurrency=5):
        (third_death,) = suspects
        assert third_death.wait_result(PATIENCE_S).status is TaskStatus.DEAD
        assert all(one.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for one in more)
    assert most == [1]


def test_a_suspect_does_not_stop_a_worker_that_lost_its_lease():
    app, trouble = troubled_app(QueueConfig(lease=0.3))
    gate = Gate()
    slow = app.task("slow")(gate.pass_through)
    suspicious = app.task("suspicious")(lambda: "fine")
    with running(app, concurrency=3) as block:
        first = slow.add_task()
        gate.wait_reached()
        suspect = with_deaths(app, suspicious, 1)  # it waits until the slow one has ended
        wait_until(lambda: suspect.id in {d.id for d in block.worker.in_hand.values()}, "the worker has the suspect")
        trouble.refuse("beat", 50)
        wait_until(lambda: block.worker.lease.number > 1, "the lease was lost")
        trouble.before.clear()
        gate.open()
        assert suspect.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
        assert first.wait_result(PATIENCE_S)
