"""`task.stream()`: the values of a generator task, read from other threads and loops while it runs.

What the product page says of streams is proved in `tests/surface/test_streams.py`, and not once more here.
"""

import asyncio

import pytest
from kernel.support import PATIENCE_S, Gate
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


@pytest.mark.parametrize(("offset", "rest"), [(2, ["c"]), (3, []), (9, [])])
def test_a_reader_may_begin_at_the_end_and_beyond(app, offset, rest):
    @app.task
    def letters():
        yield from "abc"

    with running(app):
        done = letters.add_task(timeout=PATIENCE_S)
        stream = done.stream(offset)
        assert list(stream) == rest
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
