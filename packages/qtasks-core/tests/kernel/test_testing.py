"""`qtasks.testing`: what the tests of users stand on."""

import asyncio

import pytest
from kernel.support import PATIENCE_S, Gate, troubled_app, wait_until
from qtasks import QueueTasks, TaskStatus
from qtasks.app.starter import Starter
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import BackendUnavailableError
from qtasks.message import new_id
from qtasks.testing import in_memory, running
from qtasks.types import SYSTEM_CLOCK


def test_a_worker_runs_for_the_length_of_the_block(app):
    task = app.task("t")(lambda: "ran")
    with running(app) as block:
        assert task.add_task(timeout=PATIENCE_S).result() == "ran"
        assert block.worker.lease.held()
    assert task.add_task(timeout=0) is None


def test_a_worker_runs_on_the_loop_of_the_test(async_app):
    async def main():
        loops = []

        @async_app.task
        async def look():
            loops.append(asyncio.get_running_loop())

        async with running(async_app):
            await look.add_task(timeout=PATIENCE_S)
        return loops == [asyncio.get_running_loop()]

    assert asyncio.run(main())


def test_options_are_those_of_the_worker(memory_app):
    memory_app.task("t", queue="mail")(print)
    with running(memory_app, name="me", concurrency=3, queues=["mail"]) as block:
        assert (block.worker.name, block.worker.concurrency, block.worker.queues) == ("me", 3, ["mail"])


def test_a_block_that_raises_does_not_wait_for_what_runs():
    app = QueueTasks("kernel", f"memory://{new_id()}")
    started = []

    @app.task
    async def forever():
        started.append(1)
        await asyncio.Event().wait()

    def block():
        with running(app):
            forever.add_task()
            wait_until(lambda: started, "it runs")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    (record,) = app.runtime.run_blocking(lambda link: link.storage.find())
    assert record.status is TaskStatus.NEW


def test_a_block_on_a_loop_that_raises_does_not_wait_either():
    app = AsyncQueueTasks("kernel", f"memory://{new_id()}")

    async def main():
        started = asyncio.Event()

        @app.task
        async def forever():
            started.set()
            await asyncio.Event().wait()

        async with running(app):
            await forever.add_task()
            await started.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    (record,) = app.runtime.run_blocking(lambda link: link.storage.find())
    assert record.status is TaskStatus.NEW


def test_a_worker_that_cannot_start_raises_where_the_block_begins():
    app, trouble = troubled_app()
    app.task("t")(print)
    trouble.refuse("join", 2)
    with pytest.raises(BackendUnavailableError), running(app):
        pytest.fail("the block must not begin")

    async def main():
        async with running(app):
            pytest.fail("the block must not begin")

    with pytest.raises(BackendUnavailableError):
        asyncio.run(main())


def test_a_worker_that_breaks_down_raises_where_the_block_ends():
    app, trouble = troubled_app()
    task = app.task("t")(print)

    def block():
        with running(app):
            trouble.refuse("take", error=ZeroDivisionError)
            task.add_task()
            task.add_task()
            wait_until(lambda: trouble.over("take"), "the worker broke down")

    with pytest.raises(ZeroDivisionError):
        block()


def test_the_starter_of_the_application_is_used():
    class Own(Starter):
        made = 0

        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            Own.made += 1

    app = QueueTasks("kernel", f"memory://{new_id()}", starter=Own)
    task = app.task("t")(lambda: 1)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == 1
    assert Own.made == 1


# Memory in the place of the application's own backend.


@pytest.mark.needs("sqlite")
def test_an_application_in_memory_touches_nothing_of_its_own(tmp_path):
    app = QueueTasks("kernel", f"sqlite:///{tmp_path}/queue.db")
    task = app.task("t")(lambda: "ran")
    with in_memory(app), running(app):
        done = task.add_task(timeout=PATIENCE_S)
        assert done.result() == "ran"
    assert list(tmp_path.iterdir()) == []
    assert app.get(done.id) is None
    app.close()


def test_each_block_begins_empty(memory_app):
    with in_memory(memory_app):
        added = memory_app.add_task("t")
        assert memory_app.get(added.id)
    with in_memory(memory_app):
        assert memory_app.get(added.id) is None


def test_the_application_gets_its_own_back_even_if_the_block_raises(memory_app):
    link, clock = memory_app.runtime.link, memory_app.runtime.clock
    with pytest.raises(ZeroDivisionError), in_memory(memory_app):
        raise ZeroDivisionError
    assert memory_app.runtime.link is link
    assert memory_app.runtime.clock is clock is SYSTEM_CLOCK


def test_time_goes_on_by_itself_and_by_leaps(memory_app):
    with in_memory(memory_app) as clock:
        before = clock.wall_us()
        clock.advance(3600)
        assert 3600 <= (clock.wall_us() - before) / 1e6 < 3600 + PATIENCE_S
        assert abs(clock.monotonic_us() - SYSTEM_CLOCK.monotonic_us()) < PATIENCE_S * 1e6


def test_a_leap_wakes_the_worker(memory_app, clock):
    remind = memory_app.task("remind")(lambda what: what)
    with running(memory_app):
        task = remind.options(delay="1d").add_task("tea")
        clock.advance(86_400)
        assert task.wait_result(PATIENCE_S).result() == "tea"


def test_a_leap_costs_no_lease(memory_app, clock):
    gate = Gate()
    task = memory_app.task("t")(gate.pass_through)
    with running(memory_app) as block:
        added = task.add_task()
        gate.wait_reached()
        clock.advance(1_000_000)
        gate.open()
        assert added.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
        assert block.worker.lease.number == 1
