"""Generator tasks: what happens when they or their handlers fail, or yield nothing, or very much.

What the product page says of them is proved in `tests/surface/test_generators.py`, and not once more here.
"""

import pytest
from kernel.support import PATIENCE_S
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.errors import ConfigError, LimitError
from qtasks.message import new_id
from qtasks.testing import running


def upper(value):
    return value.upper()


def ask():
    first = yield "a"
    second = yield first + "b"
    assert second == "AB"


async def ask_async():
    first = yield "a"
    second = yield first + "b"
    assert second == "AB"


GENERATORS = pytest.mark.parametrize("generator", [ask, ask_async], ids=["generator", "async_generator"])


def nothing():
    return
    yield


async def nothing_async():
    return
    yield


@pytest.mark.parametrize("generator", [nothing, nothing_async])
def test_a_generator_that_yields_nothing_has_an_empty_list_as_result(app, generator):
    task = app.task("t")(generator)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == []


def test_a_handler_without_a_generator_is_refused(memory_app):
    with pytest.raises(ConfigError, match="'upper' has a generate_handler but is not a generator"):
        memory_app.task(generate_handler=upper)(upper)


@GENERATORS
def test_a_handler_that_raises_fails_the_task_and_closes_the_generator(app, generator):
    closed = []

    def closing():
        try:
            yield from ask()
        finally:
            closed.append("closed")

    async def closing_async():
        try:
            async for value in ask_async():
                yield value
        finally:
            closed.append("closed")

    def refuse(value):
        raise PermissionError(value)

    task = app.task("t", generate_handler=refuse)(closing if generator is ask else closing_async)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error == "PermissionError: a"
    assert closed == ["closed"]


def test_a_generator_that_raises_fails_its_task(app):
    @app.task
    def breaking():
        yield 1
        raise KeyError("lost")

    with running(app):
        failed = breaking.add_task(timeout=PATIENCE_S)
    assert failed.status is TaskStatus.ERROR
    assert failed.error == "KeyError: 'lost'"
    assert list(failed.stream()) == [1]


@pytest.mark.parametrize("kind", ["generator", "async_generator"])
def test_a_stop_iteration_of_the_body_is_an_error_and_not_the_end(app, kind):
    def stopping():
        yield 1
        next(iter(()))

    async def stopping_async():
        yield 1
        await anext(stopping_async_inner())

    async def stopping_async_inner():
        return
        yield

    task = app.task("t")(stopping if kind == "generator" else stopping_async)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error.startswith(f"RuntimeError: {'' if kind == 'generator' else 'async '}generator raised Stop")


def test_a_yielded_value_that_cannot_travel_is_named(app):
    @app.task
    def odd():
        yield 1
        yield object()

    with running(app):
        failed = odd.add_task(timeout=PATIENCE_S)
    assert failed.error.startswith("EncodeError: yielded value 1: a value of type object cannot be encoded")


def test_a_result_that_was_too_large_to_keep_points_to_the_stream():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(max_payload_bytes=1000))

    @app.task
    def long():
        yield from range(500)

    with running(app):
        done = long.add_task(timeout=PATIENCE_S)
    assert repr(done).endswith(" success (result truncated)>")
    with pytest.raises(LimitError, match="too large to keep") as raised:
        done.result()
    assert "task.stream()" in raised.value.hint


def test_a_returned_value_over_the_size_limit_is_an_error_for_plain_functions():
    app = QueueTasks("kernel", f"memory://{new_id()}", config=QueueConfig(max_payload_bytes=1000))
    task = app.task("t")(lambda: "x" * 2000)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error.startswith("LimitError: result takes 2,002 bytes; at most 1,000 are allowed.")


def test_the_stream_and_the_result_have_the_values_in_order(app):
    @app.task
    async def counting():
        for number in range(2000):
            yield number

    with running(app):
        done = counting.add_task(timeout=PATIENCE_S)
        assert done.result() == list(done.stream()) == list(range(2000))
