"""The product page on streams, line by line."""

import asyncio
import threading
from pathlib import Path

import pytest
from qtasks import QueueConfig, QueueTasks, Restarted, TaskStatus
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import new_id
from qtasks.testing import in_memory, running

PATIENCE_S = 20.0

APP = """
import os, time
from qtasks import QueueTasks

app = QueueTasks()

@app.task
def steps():
    yield "first"
    while not os.path.exists("go on"):
        time.sleep(0.005)
    yield "second"
"""


@pytest.mark.needs("sqlite")
@pytest.mark.parametrize("face", ["async", "sync"])
def test_a_stream_is_read_from_another_process_while_the_task_runs(app_file, qtasks, face):
    task = app_file(APP).steps.add_task()
    worker = qtasks("-A", "app:app", "run")
    values = []
    go_on = Path("go on").touch

    def read():
        app = QueueTasks()
        for value in app.get(task.uuid).stream(timeout=PATIENCE_S):
            values.append(value)
            go_on()
        app.close()

    async def read_async():
        app = AsyncQueueTasks()
        found = await app.get(task.uuid)
        async for value in found.stream(timeout=PATIENCE_S):
            values.append(value)
            go_on()
        await app.close()

    read() if face == "sync" else asyncio.run(read_async())
    assert values == ["first", "second"]
    assert worker.poll() is None
    task._runtime.app.close()


def test_a_stream_is_read_from_the_beginning_or_from_an_offset(app):
    @app.task
    def letters():
        yield from "abc"

    with running(app):
        task = letters.add_task(timeout=PATIENCE_S)
        assert list(task.stream()) == ["a", "b", "c"]
        assert list(task.stream(1)) == list(task.stream(offset=1)) == ["b", "c"]


def test_a_retry_starts_a_new_attempt_in_the_stream(app):
    failed = threading.Event()
    runs = []

    @app.task(retry=1, retry_delay=0)
    def again():
        runs.append(1)
        yield f"of run {len(runs)}"
        if len(runs) == 1:
            assert failed.wait(PATIENCE_S)
            raise ValueError

    with running(app):
        stream = again.add_task().stream()
        values = iter(stream)
        assert next(values) == "of run 1"
        assert (stream.attempt, stream.offset) == (0, 1)
        failed.set()
        assert list(values) == [Restarted(attempt=1), "of run 2"]
        assert (stream.attempt, stream.offset) == (1, 1)


def test_a_worker_that_lost_its_lease_adds_nothing_to_the_stream():
    """Another incarnation has the task by now: what the first one still yields is refused, like its outcome."""
    app = QueueTasks("surface", f"memory://{new_id()}", config=QueueConfig(lease=0.3))
    lost, runs = threading.Event(), []

    @app.task
    def steps():
        runs.append(1)
        run = len(runs)
        yield f"of run {run}"
        if run == 1:
            assert lost.wait(PATIENCE_S)
            yield "too late"

    with running(app, concurrency=2) as block:
        task = steps.add_task()
        assert next(iter(task.stream())) == "of run 1"
        app.runtime.run_blocking(lambda link: link.broker.release(block.worker.lease.owner))
        assert task.wait_result(PATIENCE_S).result() == ["of run 2"]
        lost.set()
    assert list(task.stream()) == ["of run 2"]


def test_a_stream_keeps_ten_thousand_items(app):
    @app.task
    async def many():
        for number in range(10_050):
            yield number

    with running(app):
        task = many.add_task(timeout=PATIENCE_S)
        assert list(task.stream()) == list(range(10_000))
        assert len(task.result()) == 10_050


def test_a_stream_expires_with_its_result(app):
    @app.task(result_ttl=60)
    def letters():
        yield from "abc"

    with in_memory(app) as clock, running(app):
        task = letters.add_task(timeout=PATIENCE_S)
        assert list(task.stream()) == ["a", "b", "c"]
        clock.advance(61)
        app.runtime.run_blocking(lambda link: link.broker.beat([]))
        assert list(task.stream()) == []


def test_a_list_over_the_size_limit_is_left_to_the_stream(app):
    app.config.max_payload_bytes = 1000

    @app.task
    def long():
        yield from range(500)

    with running(app):
        task = long.add_task(timeout=PATIENCE_S)
        assert task.status is TaskStatus.SUCCESS
        assert task.returning is None
        assert task.returning_truncated is True
        assert list(task.stream()) == list(range(500))
