"""Tasks that misbehave: each ends by itself, and the worker goes on as if nothing had been."""

import asyncio
import contextvars
import logging
import sys
import threading
import time

import pytest
from kernel.support import PATIENCE_S, Gate
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.message import new_id
from qtasks.testing import running

BOTH = pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async_generator"])


def of_kind(kind, body):
    """A function of one kind around a plain body."""

    def function():
        return body()

    async def coroutine():
        return body()

    def generator():
        yield body()

    async def async_generator():
        yield body()

    return {f.__name__: f for f in (function, coroutine, generator, async_generator)}[kind]


def leave():
    sys.exit(3)


def interrupt():
    raise KeyboardInterrupt


def cancel():
    raise asyncio.CancelledError


def dig():
    return dig()


def run_out():
    raise MemoryError


@BOTH
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (leave, "SystemExit: 3"),
        (interrupt, "KeyboardInterrupt: "),
        (cancel, "CancelledError: "),
        (dig, "RecursionError: maximum recursion depth exceeded"),
        (run_out, "MemoryError: "),
    ],
)
def test_whatever_a_task_raises_is_its_own_error(memory_app, kind, body, error):
    bad = memory_app.task("bad")(of_kind(kind, body))
    good = memory_app.task("good")(of_kind(kind, lambda: "fine"))
    with running(memory_app, concurrency=1):
        for _ in range(3):
            failed = bad.add_task(timeout=PATIENCE_S)
            assert failed.status is TaskStatus.ERROR
            assert failed.error.startswith(error)
        assert good.add_task(timeout=PATIENCE_S).result() in ("fine", ["fine"])


async def cancel_oneself():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


async def await_what_was_cancelled():
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner


@pytest.mark.parametrize("function", [cancel_oneself, await_what_was_cancelled])
def test_a_cancellation_of_the_users_own_is_an_error_of_its_task(app, function):
    bad, good = app.task("bad")(function), app.task("good")(of_kind("coroutine", lambda: "fine"))
    with running(app, concurrency=2):
        for _ in range(5):
            assert bad.add_task(timeout=PATIENCE_S).error.startswith("CancelledError")
        assert good.add_task(timeout=PATIENCE_S).result() == "fine"


def test_a_cancellation_that_comes_after_the_end_spares_the_next_task(app):
    @app.task
    async def leave_a_bomb():
        asyncio.current_task().cancel()
        return "ended before it went off"

    good = app.task("good")(of_kind("coroutine", lambda: "fine"))
    with running(app, concurrency=1):
        assert leave_a_bomb.add_task(timeout=PATIENCE_S).result() == "ended before it went off"
        assert good.add_task(timeout=PATIENCE_S).result() == "fine"


def block_the_loop(seconds):
    """What nobody should do in a coroutine."""
    time.sleep(seconds)


def test_a_task_that_blocks_the_loop_holds_up_others_but_loses_nothing():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(lease=0.3))
    runs = []

    @app.task
    async def blocking():
        runs.append(1)
        block_the_loop(1)  # longer than the lease: it is renewed by a thread
        return "done"

    with running(app) as block:
        assert blocking.add_task(timeout=PATIENCE_S).result() == "done"
        assert block.worker.lease.number == 1
    assert runs == [1]


def test_a_loop_that_makes_no_step_for_long_is_reported_with_the_names_of_the_tasks(memory_app, monkeypatch, caplog):
    monkeypatch.setattr("qtasks.worker.worker.LAG_WARNING_S", 0.05)
    monkeypatch.setattr("qtasks.worker.worker.TICK_S", 0.01)
    gate = Gate()

    @memory_app.task
    async def blocking():
        block_the_loop(0.2)
        await asyncio.to_thread(gate.pass_through)

    with running(memory_app), caplog.at_level(logging.WARNING, "qtasks"):
        added = blocking.add_task()
        gate.wait_reached()
        gate.open()
        added.wait_result(PATIENCE_S)
    assert any("made no step for" in record.message and "blocking" in record.message for record in caplog.records)


def test_threads_that_a_task_starts_do_not_disturb_the_slots(app):
    @app.task
    def spawning():
        answers = []
        thread = threading.Thread(target=lambda: answers.append("from the thread"))
        thread.start()
        thread.join()
        return answers

    with running(app):
        assert spawning.add_task(timeout=PATIENCE_S).result() == ["from the thread"]


inherited = contextvars.ContextVar("inherited")
new = contextvars.ContextVar("new", default="unset")


@BOTH
def test_context_variables_of_one_run_are_not_seen_by_the_next(app, kind):
    def body():
        before = [inherited.get("unset"), new.get()]
        inherited.set("changed")
        new.set("set")
        return before

    task = app.task("t")(of_kind(kind, body))
    token = inherited.set("from outside")
    try:

        async def main():
            async with running(app, concurrency=1):
                calls = [asyncio.to_thread(task.add_task, timeout=PATIENCE_S) for _ in range(4)]
                return [(await call).result() for call in calls]

        results = asyncio.run(main())
    finally:
        inherited.reset(token)
    expected = ["from outside", "unset"]
    assert results == [[expected] if kind.endswith("generator") else expected] * 4


def test_a_run_that_changes_its_context_costs_no_other_run_its_slot(app):
    @app.task
    async def setting(number):
        new.set(number)
        await asyncio.sleep(0)
        return new.get()

    with running(app, concurrency=3):
        tasks = app.add_tasks([setting(number) for number in range(50)])
        assert [task.wait_result(PATIENCE_S).result() for task in tasks] == list(range(50))


def test_a_task_that_ends_after_the_worker_has_gone_disturbs_nobody():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(grace=0))
    gate, ended = Gate(), threading.Event()

    @app.task
    def slow():
        gate.pass_through()
        threading.current_thread().name = "ended"
        ended.set()

    with running(app):
        slow.add_task()
        gate.wait_reached()
    gate.open()
    assert ended.wait(PATIENCE_S)
    for thread in threading.enumerate():
        if thread.name == "ended":
            thread.join(PATIENCE_S)  # an exception in it would be a warning, and so an error


def test_a_task_that_waits_for_a_loop_that_ends_does_not_keep_the_worker(memory_app):
    memory_app.config.grace = 0

    def ask_the_loop():
        return asyncio.Event().wait()

    task = memory_app.task("t")(ask_the_loop)
    with running(memory_app) as block:
        task.add_task()
        while not block.worker.threads.running:
            time.sleep(0.001)
