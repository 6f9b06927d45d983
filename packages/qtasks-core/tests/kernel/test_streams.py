"""`task.stream()`: the values of a generator task, read from other threads, loops and processes while it runs."""

import asyncio
import subprocess
import sys
import textwrap

import pytest
from kernel.support import PATIENCE_S, Gate
from qtasks import QueueTasks, Restarted
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.testing import running


def test_values_are_read_while_the_task_runs(app):
    gate = Gate()

    @app.task
    def stepwise():
        yield "first"
        gate.pass_through()
        yield "second"

    with running(app):
        stream = iter(stepwise.add_task().stream())
        assert next(stream) == "first"
        gate.open()
        assert list(stream) == ["second"]


def test_values_are_read_on_a_loop_while_the_task_runs(async_app):
    async def main():
        gate = asyncio.Event()

        @async_app.task
        async def stepwise():
            yield "first"
            await gate.wait()
            yield "second"

        values = []
        async with running(async_app):
            task = await stepwise.add_task()
            async for value in task.stream():
                values.append(value)
                gate.set()
        return values

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE_S)) == ["first", "second"]


@pytest.mark.parametrize(("offset", "rest"), [(0, ["a", "b", "c"]), (2, ["c"]), (3, []), (9, [])])
def test_a_reader_begins_where_it_wants(app, offset, rest):
    @app.task
    def letters():
        yield from "abc"

    with running(app):
        done = letters.add_task(timeout=PATIENCE_S)
        stream = done.stream(offset)
        assert list(stream) == rest
        assert list(done.stream(offset=offset)) == rest
        assert stream.offset == offset + len(rest)


def test_two_readers_do_not_disturb_each_other(app):
    @app.task
    def letters():
        yield from "abc"

    with running(app):
        done = letters.add_task(timeout=PATIENCE_S)
        assert list(zip(done.stream(), done.stream(), strict=True)) == [("a", "a"), ("b", "b"), ("c", "c")]


def test_the_stream_of_a_task_that_never_ran_ends_with_it(app):
    task = app.task(print).add_task()
    app.cancel(task.uuid)
    assert list(task.stream()) == []


def test_a_retry_shows_a_marker_to_who_has_read_values_of_the_failed_attempt(app):
    gate = Gate()
    attempts = []

    @app.task(retry=1, retry_delay=0)
    def again():
        attempts.append(1)
        yield f"attempt {len(attempts)}"
        if len(attempts) == 1:
            gate.pass_through()
            raise ValueError
        yield "done"

    with running(app):
        stream = again.add_task().stream()
        values = iter(stream)
        assert next(values) == "attempt 1"
        gate.open()
        assert list(values) == [Restarted(attempt=1), "attempt 2", "done"]
        assert (stream.attempt, stream.offset) == (1, 2)


def test_who_comes_after_the_retry_sees_the_last_attempt_only(app):
    attempts = []

    @app.task(retry=1, retry_delay=0)
    def again():
        attempts.append(1)
        yield f"attempt {len(attempts)}"
        if len(attempts) == 1:
            raise ValueError

    with running(app):
        assert list(again.add_task(timeout=PATIENCE_S).stream()) == ["attempt 2"]


READER = """
import asyncio, sys
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks

url, task_id, face = sys.argv[1:]

def read():
    app = QueueTasks("kernel", url)
    for value in app.get(task_id).stream():
        print(value, flush=True)

async def read_async():
    app = AsyncQueueTasks("kernel", url)
    task = await app.get(task_id)
    async for value in task.stream():
        print(value, flush=True)
    await app.close()

read() if face == "sync" else asyncio.run(read_async())
"""


@pytest.mark.needs("sqlite")
@pytest.mark.parametrize("face", ["sync", "async"])
def test_another_process_reads_while_the_task_runs(tmp_path, face):
    url = f"sqlite:///{tmp_path}/queue.db"
    app = QueueTasks("kernel", url)
    gate = Gate()

    @app.task
    def stepwise():
        yield "first"
        gate.pass_through()
        yield "second"

    with running(app):
        task = stepwise.add_task()
        command = [sys.executable, "-c", textwrap.dedent(READER), url, task.id, face]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout.readline() == "first\n"
            gate.open()
            assert reader.stdout.read() == "second\n"
        assert reader.returncode == 0
    app.close()


def test_a_handle_of_the_other_face_reads_the_same_stream(app, url):
    @app.task
    def letters():
        yield from "abc"

    async def read(task_id):
        other = AsyncQueueTasks("kernel", url)
        task = await other.get(task_id)
        values = [value async for value in task.stream()]
        await other.close()
        return values

    with running(app):
        done = letters.add_task(timeout=PATIENCE_S)
        assert asyncio.run(read(done.id)) == ["a", "b", "c"]
