"""What type checkers know of programs in the blocking face. Checked by mypy (strict) and pyright; never run."""

# pyright: strict, reportUnusedFunction=false

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, assert_type
from uuid import UUID

from qtasks import QueueTasks, SyncRouter, Task
from qtasks.task import PreparedCall, SyncCall, SyncTask
from qtasks.testing import World, WorldFactory

app = QueueTasks("shop", broker_url="sqlite://")


@app.task
def double(x: int, *, times: int = 1) -> int:
    return x * 2 * times


@app.task
async def when(at: dt.datetime) -> dt.datetime | None:
    return at


@app.task("named")
def named(text: str) -> list[str]:
    return [text]


@app.task(
    name="full", priority=3, retry=2, retry_on_exc=[ValueError], retry_delay=["1s", 5], max_time="10s", tags=["a"]
)
def full(text: str) -> str:
    return text


@app.task()
async def empty() -> None:
    pass


@app.task(team="billing", level=3)
def for_plugins(x: int) -> int:
    return x


def test_a_task_keeps_the_types_of_its_function() -> None:
    assert_type(double.add_task(1), Task[int])
    assert_type(double.add_task(1, times=2), Task[int])
    assert_type(when.add_task(dt.datetime.now(dt.UTC)), Task[dt.datetime | None])
    assert_type(named.add_task("a"), Task[list[str]])
    assert_type(full.add_task("a"), Task[str])
    assert_type(empty.add_task(), Task[None])
    assert_type(for_plugins.add_task(1), Task[int])


def test_the_result_has_the_type_that_the_function_returns() -> None:
    assert_type(double.add_task(1).result(), int)
    assert_type(double.add_task(1).returning, int | None)
    assert_type(double.add_task(1).wait_result(), Task[int] | None)
    assert_type(double.add_task(1).wait_result("10s"), Task[int] | None)
    assert_type(double.add_task(1).uuid, UUID)


def test_a_call_with_a_timeout_may_have_no_answer() -> None:
    assert_type(double.add_task(1, timeout=5.0), Task[int] | None)
    assert_type(double.add_task(1, timeout=5, priority=3), Task[int] | None)
    assert_type(double.add_task(1, priority=3), Task[int])


def test_a_prepared_call_knows_what_adding_it_gives() -> None:
    assert_type(double(1), SyncCall[Task[int]])
    assert_type(double(1).add_task(), Task[int])
    assert_type(double(1, priority=3).add_task(), Task[int])
    assert_type(double(1, timeout=5.0).add_task(), Task[int] | None)


def test_options_keep_the_types_of_the_function() -> None:
    assert_type(double.options(delay="5m", queue="slow")(1, times=2), SyncCall[Task[int]])
    assert_type(double.options(unique="k", headers={"a": 1}).add_task(1), Task[int])
    assert_type(double.options(eta=dt.datetime.now(dt.UTC), expires=60)(1).add_task(), Task[int])
    assert_type(double.options(timeout=5.0)(1).add_task(), Task[int] | None)
    assert_type(double.options(timeout=5.0, priority=1).add_task(1), Task[int] | None)


def test_the_application_knows_tasks_by_name_and_by_id() -> None:
    assert_type(app.add_task("double", 1), Task[Any])
    assert_type(app.add_task("double", 1, priority=3), Task[Any])
    assert_type(app.add_task("double", 1, timeout=5.0), Task[Any] | None)
    assert_type(app.add_tasks([double(1), named("a"), double.options(delay=1)(2)]), list[Task[Any]])
    assert_type(app.get(UUID(int=1)), Task[Any] | None)
    assert_type(app.get("0" * 32), Task[Any] | None)
    calls: list[PreparedCall[Any]] = [double(1), named("a")]
    assert_type(app.add_tasks(calls), list[Task[Any]])


# Generators.


@app.task
def generator(to: int) -> Generator[int, str, None]:
    yield to


@app.task
def iterator(to: int) -> Iterator[int]:
    yield to


@app.task
async def async_generator(to: int) -> AsyncGenerator[int, str]:
    yield to


@app.task
async def async_iterator(to: int) -> AsyncIterator[int]:
    yield to


def upper(value: str) -> str:
    return value.upper()


@app.task(generate_handler=upper)
def handled(to: int) -> Generator[str, str, int]:
    yield "a"
    return to


def test_the_arguments_of_a_generator_are_known_and_its_result_is_anything() -> None:
    assert_type(generator.add_task(3), Task[Any])
    assert_type(iterator.add_task(3), Task[Any])
    assert_type(async_generator.add_task(3), Task[Any])
    assert_type(async_iterator.add_task(3), Task[Any])
    assert_type(handled.add_task(3), Task[Any])
    for value in generator.add_task(3).stream(offset=2):
        assert_type(value, Any)


# The bound task object of `echo=True` is no argument of a call.


@app.task(echo=True)
def echoing(self: Any, x: int) -> str:
    return f"{self.ctx.task_name} {x}"


@app.task("echoing_async", echo=True, retry=3)
async def echoing_async(self: Any, x: int, *, y: str = "") -> str:
    return f"{self.ctx.task_name} {x} {y}"


@app.task(echo=True)
def echoing_generator(self: Any, x: int) -> Iterator[int]:
    yield x


def test_a_call_of_an_echoing_task_takes_the_other_arguments() -> None:
    assert_type(echoing.add_task(1), Task[str])
    assert_type(echoing_async.add_task(1, y="a"), Task[str])
    assert_type(echoing.options(delay=1)(1).add_task(), Task[str])
    assert_type(echoing_generator.add_task(1), Task[Any])


# Routers.

router = SyncRouter()


@router.task
def routed(x: int) -> float:
    return x / 2


@router.task(queue="mail")
def routed_with_options(x: int) -> float:
    return x / 2


def test_the_tasks_of_a_router_are_typed_like_others() -> None:
    app.include_router(router)
    assert_type(routed.add_task(1), Task[float])
    assert_type(routed_with_options.add_task(1), Task[float])


def pass_on(task: SyncTask[[int], int]) -> int:
    return task.add_task(1).result()


def test_the_world_of_a_blocking_application_blocks(qtasks_world: WorldFactory) -> None:
    world = qtasks_world(app, now=dt.datetime.now(dt.UTC))
    assert_type(world, World)
    assert_type(world.run(), list[Task[Any]])
    assert_type(world.assert_enqueued(double, 1, count=1), list[Task[Any]])
    with World(app) as one:
        assert_type(one.advance("1h", check=True), list[Task[Any]])
