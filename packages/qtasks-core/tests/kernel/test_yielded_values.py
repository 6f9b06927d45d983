"""What generator tasks yield: restored value by value as the annotation says, in the stream and in the result."""

import datetime as dt
import typing
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator

import pytest
from kernel.support import PATIENCE_S
from qtasks.errors import MalformedMessageError
from qtasks.testing import running

DAY = dt.date(2030, 1, 2)


@pytest.mark.parametrize(
    "type_",
    [
        Iterator[dt.date],
        Iterable[dt.date],
        Generator[dt.date, None, None],
        typing.Generator[dt.date, None, None],
    ],
)
def test_what_a_generator_yields_is_restored_one_by_one_and_in_its_result(app, type_):
    def days():
        yield DAY

    days.__annotations__["return"] = type_
    task = app.task(days)
    with running(app):
        done = task.add_task(timeout=PATIENCE_S)
        assert done.result() == list(done.stream()) == [DAY]


@pytest.mark.parametrize("type_", [AsyncIterator[dt.date], AsyncGenerator[dt.date, None]])
def test_what_an_asynchronous_generator_yields_is_restored_too(app, type_):
    async def days():
        yield DAY

    days.__annotations__["return"] = type_
    task = app.task(days)
    with running(app):
        done = task.add_task(timeout=PATIENCE_S)
        assert done.result() == list(done.stream()) == [DAY]


def test_what_a_handler_makes_of_a_value_is_restored_by_its_own_annotation(app):
    def day(number: int) -> dt.date:
        return DAY + dt.timedelta(days=number)

    @app.task(generate_handler=day)
    def numbers() -> Iterator[uuid.UUID | int]:
        yield 0

    with running(app):
        done = numbers.add_task(timeout=PATIENCE_S)
        assert done.result() == list(done.stream()) == [DAY]


def test_what_a_handler_without_annotation_makes_of_a_value_is_plain_json(app):
    @app.task(generate_handler=lambda day: day.year)
    def days() -> Iterator[dt.date]:
        yield DAY

    with running(app):
        done = days.add_task(timeout=PATIENCE_S)
        assert done.result() == list(done.stream()) == [2030]


@pytest.mark.parametrize(
    ("type_", "returned"),
    [(Generator[dt.date, None, list[str]], ["a"]), (Generator[dt.date, None, int], 3), (Iterator[dt.date], {"a": 1})],
)
def test_what_a_generator_returns_is_not_taken_for_what_it_yields(app, type_, returned):
    def days():
        yield DAY
        return returned

    days.__annotations__["return"] = type_
    task = app.task(days)
    with running(app):
        done = task.add_task(timeout=PATIENCE_S)
        assert done.result() == returned
        assert list(done.stream()) == [DAY]


def test_a_yielded_value_that_does_not_fit_its_annotation_is_told_with_its_task(app):
    @app.task
    def days() -> Iterator[dt.date]:
        yield "tomorrow"

    with running(app):
        done = days.add_task(timeout=PATIENCE_S)
        with pytest.raises(MalformedMessageError, match=f"^Task days {done.id}: a stored value does not fit"):
            list(done.stream())
