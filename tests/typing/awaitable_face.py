"""What type checkers know of programs in the awaitable face. Checked by mypy (strict) and pyright; never run."""

# pyright: strict, reportUnusedFunction=false

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type
from uuid import UUID

from qtasks import AsyncRouter, Task
from qtasks.asyncio import QueueTasks
from qtasks.task import AsyncCall
from qtasks.testing import AsyncWorld, WorldFactory

app = QueueTasks("shop", broker_url="sqlite://")


@app.task
def double(x: int, *, times: int = 1) -> int:
    return x * 2 * times


@app.task("named", priority=3)
async def named(text: str) -> list[str]:
    return [text]


@app.task
async def counting(to: int) -> AsyncIterator[int]:
    yield to


@app.task
def counting_blocking(to: int) -> Iterator[int]:
    yield to


@app.task(echo=True, max_time=dt.timedelta(seconds=5))
async def echoing(self: Any, x: int) -> str:
    return f"{self.ctx.task_name} {x}"


async def test_a_task_keeps_the_types_of_its_function() -> None:
    assert_type(await double.add_task(1, times=2), Task[int])
    assert_type(await named.add_task("a"), Task[list[str]])
    assert_type(await echoing.add_task(1), Task[str])
    assert_type(await counting.add_task(3), Task[Any])
    assert_type(await counting_blocking.add_task(3), Task[Any])


async def test_a_result_is_awaited() -> None:
    task = await double.add_task(1)
    assert_type(task.result(), int)
    assert_type(await task.wait_result_async(), Task[int] | None)
    async for value in (await counting.add_task(3)).stream():
        assert_type(value, Any)


async def test_a_call_with_a_timeout_may_have_no_answer() -> None:
    assert_type(await double.add_task(1, timeout=5.0), Task[int] | None)
    assert_type(await double.add_task(1, timeout=5.0, priority=3), Task[int] | None)
    assert_type(await double.add_task(1, priority=3), Task[int])


async def test_a_prepared_call_knows_what_adding_it_gives() -> None:
    assert_type(double(1), AsyncCall[Task[int]])
    assert_type(await double(1).add_task(), Task[int])
    assert_type(await double(1, timeout=5.0).add_task(), Task[int] | None)
    assert_type(await double.options(delay="5m").add_task(1), Task[int])
    assert_type(await double.options(timeout=5.0)(1).add_task(), Task[int] | None)


async def test_the_application_knows_tasks_by_name_and_by_id() -> None:
    assert_type(await app.add_task("double", 1), Task[Any])
    assert_type(await app.add_task("double", 1, timeout=5.0), Task[Any] | None)
    assert_type(await app.add_tasks([double(1), named("a")]), list[Task[Any]])
    assert_type(await app.get(UUID(int=1)), Task[Any] | None)


router = AsyncRouter()


@router.task
async def routed(x: int) -> float:
    return x / 2


async def test_the_tasks_of_a_router_are_typed_like_others() -> None:
    app.include_router(router)
    assert_type(await routed.add_task(1), Task[float])


async def test_the_world_of_an_awaitable_application_is_awaited(qtasks_world: WorldFactory) -> None:
    world = qtasks_world(app)
    assert_type(world, AsyncWorld)
    assert_type(await world.run(), list[Task[Any]])
    world.assert_enqueued(double, 1, count=1)
    with AsyncWorld(app) as one:
        assert_type(await one.advance("1h", check=True), list[Task[Any]])
