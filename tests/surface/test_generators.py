"""The product page on generators, line by line."""

import asyncio

import pytest
from qtasks.testing import running

PATIENCE_S = 20.0


def test_the_answer_of_the_handler_is_sent_into_the_generator(app):
    handed = []

    def gen_handler(result):
        handed.append(result)
        return result.upper()

    @app.task(generate_handler=gen_handler)
    def mytask():
        value = yield "step1"
        return value

    with running(app):
        assert mytask.add_task(timeout=PATIENCE_S).result() == "STEP1"
    assert handed == ["step1"]


def double(value):
    return value * 2


async def double_async(value):
    await asyncio.sleep(0)
    return value * 2


def generator():
    first = yield 1
    yield first + 1


async def async_generator():
    first = yield 1
    yield first + 1


@pytest.mark.parametrize("handler", [double, double_async])
@pytest.mark.parametrize("function", [generator, async_generator])
def test_either_handler_serves_either_generator(app, handler, function):
    task = app.task(generate_handler=handler)(function)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == [2, 6]


def test_the_result_is_the_list_of_handled_values(app):
    @app.task(generate_handler=double)
    def numbers():
        yield 1
        yield 2
        yield 3

    with running(app):
        assert numbers.add_task(timeout=PATIENCE_S).result() == [2, 4, 6]


def test_the_result_without_a_handler_is_the_list_of_yielded_values(app):
    @app.task
    def numbers():
        yield 1
        yield 2

    @app.task
    async def letters():
        yield "a"
        yield "b"

    with running(app):
        assert numbers.add_task(timeout=PATIENCE_S).result() == [1, 2]
        assert letters.add_task(timeout=PATIENCE_S).result() == ["a", "b"]


def test_a_returned_value_is_the_result(app):
    @app.task
    def counting(returned):
        yield 1
        return returned

    with running(app):
        assert counting.add_task("total", timeout=PATIENCE_S).result() == "total"
        assert counting.add_task(0, timeout=PATIENCE_S).result() == 0
        assert counting.add_task(None, timeout=PATIENCE_S).result() == [1]
