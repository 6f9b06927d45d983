"""`cancel()` of what a worker has in hand: told at once, whatever kind of task it is, and without end or haste."""

import asyncio
import logging
import threading
import time

import pytest
from kernel.support import PATIENCE_S, Gate, plugin_with, troubled_app, wait_until
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.testing import running

SLOW_BEAT = QueueConfig(lease=30 * PATIENCE_S)
"""No test lasts until the next beat: what is heard in time was pushed."""


def busy():
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        pass


def make(kind, started):
    """A task's function of a kind that tells of its start and then never ends."""

    def function():
        started.set()
        busy()

    def generator():
        started.set()
        while True:
            yield 1

    async def coroutine():
        started.set()
        await asyncio.Event().wait()

    async def async_generator():
        started.set()
        yield 1
        await asyncio.Event().wait()

    return locals()[kind]


@pytest.mark.parametrize("kind", ["function", "generator", "coroutine", "async_generator"])
@pytest.mark.parametrize("led", ["by a slot", "by the loop"])
def test_a_running_task_is_cancelled_at_once(url, kind, led):
    app = QueueTasks("kernel", url, config=SLOW_BEAT)
    started = threading.Event()
    task = app.task("t", retry=3, result=False)(make(kind, started))
    if led == "by the loop":

        async def hook(**_):
            return None

        app.add_plugin(plugin_with("task_executor_before_execute", hook))
    with running(app):
        added = task.add_task()
        assert started.wait(PATIENCE_S)
        asked = time.monotonic()
        assert app.cancel(added.id, "too slow") == "requested"
        done = added.wait_result(PATIENCE_S)
        assert time.monotonic() - asked < PATIENCE_S / 2
        assert (done.status, done.cancel_reason) == (TaskStatus.CANCEL, "too slow")
        assert done.error == "TaskCancelError: too slow"
    app.close()


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_task_may_clean_up_when_it_is_cancelled(app, kind):
    started, cleaned = threading.Event(), []

    def function():
        try:
            started.set()
            busy()
        except Exception:  # noqa: BLE001 - as tasks do
            cleaned.append("by mistake")
        finally:
            cleaned.append("up")

    async def coroutine():
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    task = app.task("t")(locals()[kind])
    with running(app):
        added = task.add_task()
        assert started.wait(PATIENCE_S)
        app.cancel(added.id)
        assert added.wait_result(PATIENCE_S).status is TaskStatus.CANCEL
    assert cleaned == ["up"]


def test_a_task_that_goes_on_in_spite_of_it_is_asked_only_once():
    """And the worker asks the broker no more often for it: whoever does not listen costs nothing."""
    app, trouble = troubled_app(SLOW_BEAT)
    started, asked, gate = threading.Event(), threading.Event(), Gate()

    @app.task
    async def stubborn():
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asked.set()
        await asyncio.to_thread(gate.pass_through)
        return "went on"

    @app.task
    async def other():
        return "done"

    with running(app):
        added = stubborn.add_task()
        assert started.wait(PATIENCE_S)
        app.cancel(added.id)
        assert asked.wait(PATIENCE_S)
        for _ in range(10):
            assert other.add_task(timeout=PATIENCE_S).result() == "done"
        assert trouble.calls["cancel_requests"] == 2
        gate.open()
        assert added.wait_result(PATIENCE_S).result() == "went on"


def test_a_task_that_was_cancelled_before_its_slot_was_free_is_not_started(memory_app):
    ran, gate = [], Gate()

    async def hold(**_):
        await asyncio.to_thread(gate.pass_through)

    memory_app.add_plugin(plugin_with("worker_add", hold))
    task = memory_app.task("t")(ran.append)
    with running(memory_app) as block:
        added = task.add_task(1)
        gate.wait_reached()
        assert memory_app.cancel(added.id, "changed my mind") == "requested"
        wait_until(lambda: block.worker.requests.reasons, "the worker was told")
        gate.open()
        done = added.wait_result(PATIENCE_S)
        assert (done.status, done.cancel_reason) == (TaskStatus.CANCEL, "changed my mind")
        assert block.worker.counters.drain() == {}
    assert ran == []


def test_requests_are_heard_again_when_the_broker_answers_again(caplog):
    app, trouble = troubled_app(SLOW_BEAT)
    trouble.refuse("cancel_requests", 3)
    started = threading.Event()
    task = app.task("t")(make("coroutine", started))
    with caplog.at_level(logging.WARNING, "qtasks"), running(app):
        added = task.add_task()
        assert started.wait(PATIENCE_S)
        app.cancel(added.id)
        assert added.wait_result(PATIENCE_S).status is TaskStatus.CANCEL
    heard = [message for message in caplog.messages if message.startswith("Requests to cancel cannot be heard")]
    assert len(heard) == 1


def test_a_new_incarnation_hears_its_own_requests():
    app, _ = troubled_app(QueueConfig(lease=0.6))
    started = threading.Event()
    task = app.task("t")(make("coroutine", started))
    with running(app) as block:
        block.worker.lease.lose()
        wait_until(lambda: block.worker.lease.number == 2, "a new incarnation began")
        added = task.add_task()
        assert started.wait(PATIENCE_S)
        app.cancel(added.id)
        assert added.wait_result(PATIENCE_S).status is TaskStatus.CANCEL


def test_a_worker_forgets_requests_for_what_it_has_no_more():
    app, _ = troubled_app(QueueConfig(lease=0.3))
    started = threading.Event()
    task = app.task("t")(make("coroutine", started))
    with running(app) as block:
        added = task.add_task()
        assert started.wait(PATIENCE_S)
        app.cancel(added.id)
        assert added.wait_result(PATIENCE_S).status is TaskStatus.CANCEL
        wait_until(lambda: not block.worker.requests.reasons, "it was forgotten")


def test_a_worker_says_when_it_is_ready(memory_app, caplog):
    memory_app.task("t", queue="mail")(print)
    with caplog.at_level(logging.INFO, "qtasks"), running(memory_app, concurrency=3) as block:
        wait_until(lambda: caplog.messages, "it logs")
    pid = block.worker.name.rpartition("-")[-1]
    assert [each for each in caplog.messages if "ready" in each] == [
        f"Worker {block.worker.name} is ready: pid {pid}, queues mail, 3 slots."
    ]
