"""A worker that is stopped, fenced or out of time in the middle of something: nothing is lost, nothing starts twice."""

import asyncio
import threading

from kernel.support import PATIENCE_S, Gate, kill_owner_of, plugin_with, troubled_app, wait_until
from qtasks import QueueConfig, TaskStatus
from qtasks.executor.context import current_executor
from qtasks.executor.executor import TaskExecutor
from qtasks.testing import running


class LedByTheLoop(TaskExecutor):
    """Blocking tasks of this executor run in a thread while the event loop leads them."""

    suspends = True


class LoopGate:
    """Where a coroutine waits until the test opens it."""

    def __init__(self):
        self.reached = threading.Event()
        self._open = threading.Event()

    def open(self):
        self._open.set()

    async def pass_through(self):
        self.reached.set()
        while not self._open.is_set():  # noqa: ASYNC110 - opened from another thread
            await asyncio.sleep(0.001)


def status_of(app, task):
    return app.get(task.id).status


def test_a_lease_that_is_lost_in_a_hook_starts_nothing_of_what_was_taken_with_it():
    app, _ = troubled_app()
    gate, ran = LoopGate(), []
    task = app.task("t")(ran.append)

    async def worker_add(worker):
        if worker.lease.number == 1:
            await gate.pass_through()

    app.add_plugin(plugin_with("worker_add", worker_add))
    with running(app) as block:
        owner = block.worker.lease.owner
        added = task.add_task(1)
        assert gate.reached.wait(PATIENCE_S)
        block.worker.lease.lose()
        wait_until(lambda: block.worker.lease.number == 2, "a new incarnation began")
        gate.open()
        second = task.add_task(2)
        assert second.wait_result(PATIENCE_S)
        app.runtime.run_blocking(lambda link: link.broker.release(owner))
        assert added.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert sorted(ran) == [1, 2]


def test_what_a_hook_holds_up_is_handed_back_at_once_when_the_worker_stops():
    app, _ = troubled_app()
    slow_gate, hook_gate = Gate(), LoopGate()
    slow, held_up = app.task("slow")(slow_gate.pass_through), app.task("held_up")(print)

    async def worker_add(task_name):
        if task_name == "held_up":
            await hook_gate.pass_through()

    app.add_plugin(plugin_with("worker_add", worker_add))
    with running(app, concurrency=4) as block:
        first = slow.add_task()
        slow_gate.wait_reached()
        others = app.add_tasks([held_up(), held_up()])
        assert hook_gate.reached.wait(PATIENCE_S)
        block.stop()
        for other in others:
            wait_until(lambda other=other: status_of(app, other) is TaskStatus.NEW, "it is back in its queue")
        assert status_of(app, first) is TaskStatus.PROCESS
        slow_gate.open()


def test_a_suspect_that_waits_to_run_alone_is_handed_back_at_once_when_the_worker_stops():
    app, _ = troubled_app()
    gate = Gate()
    slow, suspicious = app.task("slow")(gate.pass_through), app.task("suspicious", queue="default")(print)
    with running(app, concurrency=3) as block:
        first = slow.add_task()
        gate.wait_reached()
        app.runtime.run_blocking(lambda link: link.broker.set_paused("default", True))
        suspect = suspicious.add_task()
        kill_owner_of(app, suspect)
        wait_until(lambda: suspect.id in {each.id for each in block.worker.in_hand.values()}, "the worker has it")
        block.stop()
        wait_until(lambda: status_of(app, suspect) is TaskStatus.NEW, "it is back in its queue")
        assert status_of(app, first) is TaskStatus.PROCESS
        gate.open()


def test_a_flush_that_is_cut_off_by_a_stop_is_repeated(monkeypatch):
    app, _ = troubled_app()
    finish, cut_off = app.broker.finish, []

    async def finish_or_hang(*args):
        if not cut_off and asyncio.current_task().get_name() == "qtasks-intake":
            cut_off.append(1)
            block.worker.stop(PATIENCE_S)
            await asyncio.Event().wait()
        return await finish(*args)

    monkeypatch.setattr(app.broker, "finish", finish_or_hang)

    @app.task
    async def quick():
        return "done"

    with running(app) as block:
        added = quick.add_task()
        wait_until(lambda: cut_off, "the worker is stopped within a flush")
    assert app.get(added.id).returning == "done"


def test_a_worker_that_cannot_write_ends_after_its_grace():
    """Its beats go on, so that its lease would hold for ever."""
    app, trouble = troubled_app(QueueConfig(grace=0.05))
    gate = Gate()
    task = app.task("t")(gate.pass_through)
    trouble.refuse("finish", 1_000_000)
    with running(app) as block:
        added = task.add_task()
        gate.wait_reached()
        block.stop()
        wait_until(lambda: block.worker.stopping, "it drains")
        gate.open()
    assert app.get(added.id).status is TaskStatus.NEW


def test_a_generator_within_a_step_is_handed_back_when_the_grace_is_over():
    app, _ = troubled_app(QueueConfig(grace=0))
    gate = Gate()

    @app.task(executor=LedByTheLoop)
    def stepwise():
        gate.pass_through()
        yield 1

    with running(app):
        added = stepwise.add_task()
        gate.wait_reached()
    assert app.get(added.id).status is TaskStatus.NEW
    gate.open()


def test_a_generator_is_closed_off_the_loop_that_leads_it(app):
    closed_in = []

    def handler(value):
        raise LookupError(value)

    @app.task(executor=LedByTheLoop, generate_handler=handler)
    def stepwise():
        try:
            yield 1
        finally:
            closed_in.append(threading.current_thread().name)

    with running(app):
        assert stepwise.add_task(timeout=PATIENCE_S).error.startswith("LookupError")
    assert closed_in[0].startswith("qtasks-call")


def test_a_blocking_task_that_the_loop_leads_knows_its_executor(app):
    """Log records ask for it."""
    found = []

    @app.task(executor=LedByTheLoop)
    def blocking():
        found.append(current_executor.get())

    with running(app):
        added = blocking.add_task(timeout=PATIENCE_S)
    assert found[0].task_broker.id == added.id


def test_the_time_limit_holds_while_a_slot_thread_waits_for_the_loop(app):
    async def never(_value):
        await asyncio.Event().wait()

    @app.task(max_time=0.05, generate_handler=never)
    def stepwise():
        yield 1

    with running(app):
        failed = stepwise.add_task(timeout=PATIENCE_S)
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task stepwise: 0.05 seconds"


def test_a_timeout_of_an_awaited_answer_is_the_tasks_own(app):
    async def impatient(_value):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    @app.task(max_time=PATIENCE_S, generate_handler=impatient)
    def stepwise():
        yield 1

    with running(app):
        assert stepwise.add_task(timeout=PATIENCE_S).error.startswith("TimeoutError")


def test_a_hook_that_blocks_the_background_loop_holds_up_no_beat():
    """Blocking callers with an asynchronous hook share that loop; the lease must not depend on it."""
    app, trouble = troubled_app(QueueConfig(lease=0.3))
    gate, task = Gate(), app.task("t")(print)

    async def qtasks_get():
        gate.pass_through()

    app.add_plugin(plugin_with("qtasks_get", qtasks_get))
    with running(app) as block:
        added = task.add_task()
        reader = threading.Thread(target=app.get, args=[added.id], daemon=True)
        reader.start()
        gate.wait_reached()
        before = trouble.calls.get("beat", 0)
        wait_until(lambda: trouble.calls.get("beat", 0) >= before + 5, "beats go on")
        assert block.worker.lease.number == 1
        gate.open()
        reader.join(PATIENCE_S)
