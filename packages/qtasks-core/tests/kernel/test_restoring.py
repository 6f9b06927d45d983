"""Arguments and results: what the annotations say they are is what functions and callers get."""

import asyncio
import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from typing import Annotated, Any, Optional

import attrs
import msgspec
import pytest
from kernel.support import PATIENCE_S
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.errors import EncodeError, LimitError, MalformedMessageError
from qtasks.executor.executor import TaskExecutor
from qtasks.testing import running


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    x: int
    when: dt.datetime


@attrs.frozen
class Order:
    id: uuid.UUID
    total: decimal.Decimal


class Line(msgspec.Struct):
    colour: Colour
    points: list[Point]


NOW = dt.datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
ID = uuid.UUID("12345678123456781234567812345678")

VALUES = [
    (dt.datetime, NOW),
    (dt.date, NOW.date()),
    (dt.time, dt.time(3, 4, 5)),
    (dt.timedelta, dt.timedelta(days=1, seconds=2)),
    (uuid.UUID, ID),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (bytes, b"\x00\xff"),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (Point, Point(1, NOW)),
    (Order, Order(ID, decimal.Decimal("9.90"))),
    (Line, Line(Colour.BLUE, [Point(1, NOW), Point(2, NOW)])),
    (list[dt.datetime], [NOW, NOW]),
    (dict[str, uuid.UUID], {"a": ID}),
    (tuple[int, dt.date], (1, NOW.date())),
    (set[int], {1, 2}),
    (Optional[dt.datetime], NOW),  # noqa: UP045 - people write it
    (dt.datetime | None, NOW),
    (uuid.UUID | int, ID),
    (Annotated[decimal.Decimal, "money"], decimal.Decimal("0.30")),
    (list[Order], [Order(ID, decimal.Decimal(1))]),
    (Any, {"a": [1, 2.5, "x", None, True]}),
    (int, 3),
    (list, [1, "a", None]),
    (dict[str, int], {"a": 1}),
]


@pytest.mark.parametrize(("type_", "value"), VALUES, ids=lambda value: None)
def test_a_value_arrives_and_comes_back_as_annotated(memory_app, type_, value):
    seen = []

    def echo(given, *, named):
        seen.append((given, named))
        return given

    echo.__annotations__ = {"given": type_, "named": type_, "return": type_}
    task = memory_app.task(echo)
    with running(memory_app):
        done = task.add_task(value, named=value, timeout=PATIENCE_S)
        assert done.result() == value
        assert type(done.returning) is type(value)
        assert memory_app.get(done.uuid).returning == value
    assert seen == [(value, value)]
    assert type(seen[0][0]) is type(value)


def test_none_and_defaults_stay_what_they_are(app):
    @app.task
    def when(at: dt.datetime | None = None, by: uuid.UUID = ID) -> dt.datetime | None:
        assert by is ID
        return at

    with running(app):
        assert when.add_task(timeout=PATIENCE_S).result() is None
        assert when.add_task(None, timeout=PATIENCE_S).result() is None
        assert when.add_task(NOW, timeout=PATIENCE_S).result() == NOW


def test_variable_arguments_are_restored_one_by_one(app):
    @app.task
    def gather(first: int, *rest: dt.date, **named: uuid.UUID) -> str:
        return f"{first} {[type(one).__name__ for one in rest]} {[type(one).__name__ for one in named.values()]}"

    with running(app):
        done = gather.add_task(1, NOW.date(), NOW.date(), a=ID, timeout=PATIENCE_S)
    assert done.result() == "1 ['date', 'date'] ['UUID']"


@pytest.mark.parametrize("kind", ["coroutine", "generator", "async_generator"])
def test_every_kind_of_function_gets_what_it_asks_for(app, kind):
    async def coroutine(at: dt.datetime):
        return [at.year]

    def generator(at: dt.datetime):
        yield at.year

    async def async_generator(at: dt.datetime):
        yield at.year

    task = app.task({"coroutine": coroutine, "generator": generator, "async_generator": async_generator}[kind])
    with running(app):
        assert task.add_task(NOW, timeout=PATIENCE_S).result() == [2030]


def test_without_annotations_values_are_plain_json(app):
    @app.task
    def untyped(value):
        return value

    with running(app):
        assert untyped.add_task(NOW, timeout=PATIENCE_S).result() == NOW.isoformat().replace("+00:00", "Z")


def test_what_the_decode_of_the_settings_made_of_a_result_is_plain_json(url):
    app = QueueTasks("kernel", url, config=QueueConfig(task_default_decode=lambda day: f"on {day}"))

    @app.task
    def when() -> dt.date:
        return NOW.date()

    with running(app):
        assert when.add_task(timeout=PATIENCE_S).result() == "on 2030-01-02"
    app.close()


def test_a_result_read_where_its_task_is_not_registered_is_plain_json(app, url):
    @app.task
    def when() -> dt.datetime:
        return NOW

    with running(app):
        done = when.add_task(timeout=PATIENCE_S)
        other = type(app)("kernel", url)
        assert other.get(done.uuid).returning == NOW.isoformat().replace("+00:00", "Z")
        other.close()


def test_a_result_that_does_not_fit_its_annotation_is_told_with_its_task_and_read_elsewhere(app, url):
    @app.task
    def when() -> dt.date:
        return "tomorrow"

    with running(app):
        done = when.add_task(timeout=PATIENCE_S)
        other = type(app)("kernel", url)
        with pytest.raises(MalformedMessageError, match=f"^Task when {done.id}: a stored value does not fit") as raised:
            done.result()
        assert "An application of the same name and URL that does not register the task" in raised.value.hint
        assert other.get(done.id).result() == "tomorrow"
        other.close()


class Foreign:
    """A class that nobody knows how to restore."""


def test_an_annotation_that_cannot_be_restored_changes_nothing(app):
    @app.task
    def odd(value: Foreign, other: "Nowhere", union: dt.datetime | str) -> Foreign:  # noqa: F821
        return [value, other, union]

    with running(app):
        assert odd.add_task({"a": 1}, "b", "2030-01-01", timeout=PATIENCE_S).result() == [{"a": 1}, "b", "2030-01-01"]


def test_names_for_type_checkers_only_do_not_stop_a_task(app):
    namespace = {}
    exec("def f(x: 'Missing', y: int) -> 'Missing':\n    return x + y", namespace)
    task = app.task(namespace["f"])
    with running(app):
        assert task.add_task(1, 2, timeout=PATIENCE_S).result() == 3


@pytest.mark.parametrize("function_is_async", [False, True])
def test_an_argument_that_does_not_fit_ends_among_the_dead_letters(app, function_is_async):
    def at(when: dt.datetime):
        raise AssertionError("it must not run")

    async def at_async(when: dt.datetime):
        raise AssertionError("it must not run")

    task = app.task("at", retry=5, retry_delay=0)(at_async if function_is_async else at)
    with running(app):
        dead = task.add_task("yesterday", timeout=PATIENCE_S)
    assert dead.status is TaskStatus.DEAD
    assert dead.error.startswith("ArgumentsError: argument 'when' does not fit its annotation")


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ([], {}, "missing a required argument: 'x'"),
        ([1, 2, 3], {}, "too many positional arguments"),
        ([1], {"x": 1}, "multiple values for argument 'x'"),
        ([1], {"z": 1}, "got an unexpected keyword argument 'z'"),
    ],
)
@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async_generator", "echo"])
def test_wrong_arguments_of_a_call_by_name_end_among_the_dead_letters(memory_app, kind, args, kwargs, reason):
    def function(x, y=0):
        return x

    async def coroutine(x, y=0):
        return x

    def generator(x, y=0):
        yield x

    async def async_generator(x, y=0):
        yield x

    def echo(self, x, y=0):
        return x

    functions = {f.__name__: f for f in (function, coroutine, generator, async_generator, echo)}
    memory_app.task("t", echo=kind == "echo", retry=5, retry_delay=0)(functions[kind])
    with running(memory_app):
        dead = memory_app.add_task("t", *args, timeout=PATIENCE_S, **kwargs)
    assert dead.status is TaskStatus.DEAD
    assert dead.error == f"ArgumentsError: the arguments do not fit 't': {reason}"


def test_a_type_error_of_the_function_itself_is_its_own(app):
    @app.task(retry=1, retry_delay=0)
    def confused(x):
        return x + "a"

    with running(app):
        failed = confused.add_task(1, timeout=PATIENCE_S)
    assert failed.status is TaskStatus.ERROR
    assert failed.error.startswith("TypeError: unsupported operand")
    assert len(failed.record.history) == 1


class Widening(TaskExecutor):
    async def prepare(self):
        await super().prepare()
        self.args = [*self.args, 10]


def test_arguments_that_the_executor_adds_are_no_wrong_call(app):
    task = app.task("t", executor=Widening)(lambda x, y: x + y)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == 11


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([{"a": [1, object()]}], {}, "args[0].a[1]: a value of type object cannot be encoded"),
        ([], {"when": [1, 2, float("nan")]}, "kwargs.when[2]: nan is not a JSON number"),
        ([float("inf")], {}, "args[0]: inf is not a JSON number"),
        ([{1: "a"}], {}, "args[0]: dict keys must be strings, found one of type int"),
        ([2**64], {}, "args[0]: integers travel in 64 bits"),
        (["\ud800"], {}, "args[0]: the text holds a lone surrogate"),
    ],
)
def test_what_cannot_travel_is_refused_when_it_is_added_with_its_path(app, args, kwargs, message):
    app.task("t")(print)
    with pytest.raises(EncodeError) as raised:
        app.add_task("t", *args, **kwargs)
    assert raised.value.message.startswith(message)


def test_an_encode_error_is_a_type_error_and_adds_nothing(app):
    task = app.task("t")(print)
    with pytest.raises(TypeError):
        app.add_tasks([task(1), task(object())])
    assert app.runtime.run_blocking(lambda link: link.broker.inspect()) == []


def test_a_message_over_the_limit_is_refused(memory_app):
    memory_app.config.max_payload_bytes = 1000
    with pytest.raises(LimitError, match="at most 1,000 are allowed"):
        memory_app.add_task("t", "x" * 1000)


def test_a_message_that_nests_too_deep_is_refused(memory_app):
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(LimitError, match="nested deeper than 64 levels"):
        memory_app.add_task("t", deep)


@pytest.mark.parametrize("result", [object(), {1: 2}, float("nan"), [object()]], ids=["object", "key", "nan", "list"])
def test_a_result_that_cannot_travel_is_an_error_of_the_task(app, result):
    task = app.task("t")(lambda: result)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.status is TaskStatus.ERROR
    assert failed.error.startswith("EncodeError: result")


def test_texts_that_utf8_cannot_carry_do_not_hide_an_error(app):
    @app.task
    def listing():
        raise FileNotFoundError("caf\udce9.txt")

    with running(app):
        assert listing.add_task(timeout=PATIENCE_S).error == "FileNotFoundError: caf\\udce9.txt"


def test_a_traceback_is_kept_to_its_last_64_kib(app):
    @app.task
    def verbose():
        raise ValueError("ä" * 100_000 + "the end")

    with running(app):
        failed = verbose.add_task(timeout=PATIENCE_S)
    assert len(failed.traceback.encode()) <= 64 * 1024
    assert failed.traceback.startswith("...\n")
    assert failed.traceback.endswith("the end\n")


def test_a_result_is_restored_for_who_awaits_it(async_app):
    @async_app.task
    async def order() -> Order:
        return Order(ID, decimal.Decimal(1))

    async def main():
        async with running(async_app):
            return (await order.add_task(timeout=PATIENCE_S)).result()

    assert asyncio.run(main()) == Order(ID, decimal.Decimal(1))
