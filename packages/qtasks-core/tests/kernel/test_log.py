"""What a worker logs: the end of its tasks, outages, blocked loops, suspects, and its own end."""

import logging
import time

import pytest
from kernel.support import PATIENCE_S, Gate, kill_owner_of, troubled_app, wait_until
from qtasks import QueueConfig, TaskStatus
from qtasks.app import logs
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.errors import BackendUnavailableError, TaskCancelError
from qtasks.testing import running
from qtasks.worker.backoff import Backoff


def told(caplog, begin, level):
    """The messages of a level that begin so."""
    return [each.getMessage() for each in caplog.records if each.levelno == level and begin in each.getMessage()]


def test_the_final_error_is_logged_with_its_traceback_and_a_retry_in_one_line(memory_app, caplog):
    @memory_app.task(retry=1, retry_delay=0.01)
    def fails():
        raise ValueError("no\nluck")

    with running(memory_app):
        task = fails.add_task(timeout=PATIENCE_S)
    (retry,) = told(caplog, f"Task fails {task.id} failed and is tried again", logging.WARNING)
    assert "\n" not in retry
    (end,) = told(caplog, f"Task fails {task.id} ended as error: ValueError: no luck\n", logging.ERROR)
    assert r'raise ValueError("no\nluck")' in end


def test_the_task_is_named_in_the_first_line_of_its_traceback():
    record = logging.makeLogRecord({"msg": "failed\nTraceback", "task_id": "1f", "task_name": "add", "attempt": 0})
    assert logs.TextFormatter("%(message)s").format(record) == "failed [add 1f attempt 0]\nTraceback"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_success_and_cancellation_are_told_on_debug_only(memory_app, caplog, level):
    @memory_app.task
    def gives_up():
        raise TaskCancelError("too late")

    succeeds = memory_app.task("succeeds")(print)
    with caplog.at_level(level, "qtasks"), running(memory_app):
        tasks = [succeeds.add_task(timeout=PATIENCE_S), gives_up.add_task(timeout=PATIENCE_S)]
    for task, status in zip(tasks, ("success", "cancel"), strict=True):
        assert len(told(caplog, f"{task.id} ended as {status} in 0.", logging.DEBUG)) == (level == logging.DEBUG)


def test_the_end_of_an_outage_is_logged(caplog):
    app, trouble = troubled_app()
    trouble.refuse("take", 3)
    succeeds = app.task("succeeds")(print)
    with caplog.at_level(logging.INFO, "qtasks"), running(app):
        succeeds.add_task(timeout=PATIENCE_S)
    assert len(told(caplog, "Tasks could not be taken (attempt 1", logging.WARNING)) == 1
    assert len(told(caplog, "Tasks could not be taken: over after ", logging.INFO)) == 1


def test_an_outage_is_not_over_before_the_broker_has_answered(caplog, monkeypatch):
    app, _ = troubled_app(QueueConfig(lease=3))  # two ticks for each report
    failures, report = iter([True, True]), MemoryStorage.report

    async def fail_twice(storage, *args):
        if next(failures, False):
            raise BackendUnavailableError("it is away")
        await report(storage, *args)

    monkeypatch.setattr(MemoryStorage, "report", fail_twice)
    app.task(print)
    with caplog.at_level(logging.INFO, "qtasks"), running(app):
        wait_until(lambda: told(caplog, "The broker does not answer: over after ", logging.INFO), "the end of it")
        assert next(failures, "none is left") == "none is left"
    assert len(told(caplog, "The broker does not answer (attempt 1", logging.WARNING)) == 1
    assert len(told(caplog, "The broker does not answer: over after ", logging.INFO)) == 1


def test_a_hint_stays_on_the_line_of_its_error(caplog):
    Backoff().note("No luck", BackendUnavailableError("It is down.", "Start it."))
    assert caplog.messages == ["No luck (attempt 1, trying on): It is down. Start it."]


def test_a_stopped_worker_tells_what_it_finished_and_handed_back(memory_app, caplog):
    gate = Gate()
    waits, succeeds = memory_app.task("waits")(gate.pass_through), memory_app.task("succeeds")(print)
    with caplog.at_level(logging.INFO, "qtasks"), running(memory_app, name="w", concurrency=1) as block:
        succeeds.add_task(timeout=PATIENCE_S)
        first = waits.add_task()
        gate.wait_reached()
        block.stop()
        wait_until(lambda: block.worker.stopping, "it stops")
        gate.open()
        assert first.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert told(caplog, "has stopped", logging.INFO) == ["Worker w has stopped: 2 tasks finished, 0 handed back."]


def test_what_a_stopping_worker_hands_back_is_counted(caplog):
    app, _ = troubled_app()
    gate = Gate()
    waits = app.task("waits")(gate.pass_through)
    with caplog.at_level(logging.INFO, "qtasks"), running(app, name="w") as block:
        waits.add_task()
        gate.wait_reached()
        app.runtime.run_blocking(lambda link: link.broker.set_paused("default", True))
        suspect = waits.add_task()
        kill_owner_of(app, suspect)
        wait_until(lambda: suspect.id in {each.id for each in block.worker.in_hand.values()}, "the worker has it")
        block.stop()
        wait_until(lambda: app.get(suspect.id).status is TaskStatus.NEW, "it is back in its queue")
        gate.open()
    assert told(caplog, "has stopped", logging.INFO) == ["Worker w has stopped: 1 tasks finished, 1 handed back."]


def test_a_suspect_is_told_when_it_runs_alone(caplog):
    app, _ = troubled_app()
    succeeds = app.task("succeeds")(print)
    with caplog.at_level(logging.INFO, "qtasks"), running(app):
        app.runtime.run_blocking(lambda link: link.broker.set_paused("default", True))
        suspect = succeeds.add_task()
        kill_owner_of(app, suspect)
        assert suspect.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert told(caplog, f"Task succeeds {suspect.id} runs alone: a worker died", logging.INFO)


def test_a_task_that_blocked_the_loop_and_ended_is_named(memory_app, monkeypatch, caplog):
    monkeypatch.setattr("qtasks.worker.worker.LAG_WARNING_S", 0.1)
    monkeypatch.setattr("qtasks.worker.worker.TICK_S", 0.01)

    @memory_app.task
    async def blocks():
        time.sleep(0.3)  # noqa: ASYNC251 - this is what it is about

    with caplog.at_level(logging.WARNING, "qtasks"), running(memory_app):
        blocks.add_task(timeout=PATIENCE_S)
        wait_until(lambda: told(caplog, "made no step", logging.WARNING), "the stall is told")
    assert told(caplog, "made no step", logging.WARNING)[0].endswith("s while these ran: blocks")


def test_a_cancelled_task_is_a_run_but_no_failure(memory_app):
    @memory_app.task
    def gives_up():
        raise TaskCancelError("too late")

    with running(memory_app):
        gives_up.add_task(timeout=PATIENCE_S)
    counts = memory_app.runtime.run_blocking(lambda link: link.storage.counts())["gives_up"]
    assert (counts.runs, counts.successes, counts.failures) == (1, 0, 0)
    assert counts.last_error == "TaskCancelError: too late"
