"""What type checkers know of dependencies, states and schedules. Checked by mypy (strict) and pyright; never run."""

# pyright: strict, reportUnusedFunction=false, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, assert_type

from qtasks import Depends, QueueTasks, Task
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.plugins import AsyncState, Schedule, ScopeEnum, SyncState, SyncTimer, injected, override

app = QueueTasks()
async_app = AsyncQueueTasks()


class Session:
    def save(self, data: int) -> str:
        return str(data)


class Entered:
    def __enter__(self) -> Session:
        return Session()

    def __exit__(self, *error: object) -> None: ...


def plain() -> Session:
    return Session()


async def awaited() -> Session:
    return Session()


def generated() -> Iterator[Session]:
    yield Session()


def generated_in_full() -> Generator[Session]:
    yield Session()


async def generated_async() -> AsyncIterator[Session]:
    yield Session()


async def generated_async_in_full() -> AsyncGenerator[Session]:
    yield Session()


@contextmanager
def managed() -> Generator[Session]:
    yield Session()


@asynccontextmanager
async def managed_async() -> AsyncGenerator[Session]:
    yield Session()


def test_a_dependency_has_the_type_of_what_is_injected() -> None:
    assert_type(Depends(plain), Session)
    assert_type(Depends(awaited), Session)
    assert_type(Depends(generated), Session)
    assert_type(Depends(generated_in_full), Session)
    assert_type(Depends(generated_async), Session)
    assert_type(Depends(generated_async_in_full), Session)
    assert_type(Depends(managed), Session)
    assert_type(Depends(managed_async), Session)
    assert_type(Depends(Session), Session)
    assert_type(Depends(Entered), Session)
    assert_type(Depends(plain, scope="worker"), Session)
    assert_type(Depends(plain, ScopeEnum.STORAGE), Session)


@app.task
def process(data: int, db: Session = Depends(generated, scope="worker")) -> str:
    return db.save(data)


@app.task
def annotated(data: int, db: Annotated[Session, Depends(awaited)] = injected()) -> str:
    return db.save(data)


def test_a_call_leaves_dependencies_out() -> None:
    assert_type(process.add_task(1), Task[str])
    assert_type(process.options(delay=1)(1).add_task(), Task[str])
    assert_type(annotated.add_task(1), Task[str])


class MyState(AsyncState):
    name = "mine"
    ttl = "1h"


class Blocking(SyncState):
    ttl = 60


def change(fields: dict[str, Any]) -> None:
    fields["n"] = 1


@async_app.task
async def sample(x: int, state: MyState = injected()) -> dict[str, Any]:
    assert_type(await state.get_all(), dict[str, Any])
    await state.set("x", x)
    await state.update(x=x, y=2)
    await state.keyed("ann").delete("x")
    assert_type(state.keyed("ann"), MyState)
    return await state.modify(change)


@app.task
def sample_blocking(x: int, state: MyState = injected(), other: Blocking = injected()) -> int:
    state.sync.set("x", x)
    assert_type(other.modify(lambda fields: {**fields, "n": x}), dict[str, Any])
    other.keyed("bob").clear()
    return x


async def test_a_call_leaves_states_out() -> None:
    assert_type(await sample.add_task(1), Task[dict[str, Any]])
    assert_type(sample_blocking.add_task(1), Task[int])


def test_states_are_there_outside_of_tasks_too() -> None:
    Blocking(app).set("n", 1)
    MyState(async_app, "ann").sync.clear()


@app.task(cron="0 3 * * *", tz="Europe/Berlin", retry=3, schedule=[Schedule(every="10s", args=[1], kwargs={})])
def scheduled(x: int = 0) -> str:
    return str(x)


def test_a_schedule_leaves_the_types_of_its_task() -> None:
    assert_type(scheduled.add_task(1), Task[str])
    assert_type(SyncTimer(app).add_task("scheduled", 1, trigger="@daily", priority=1), str)


def test_an_override_takes_any_function() -> None:
    with override(generated, Session):
        pass


def test_mistakes_are_found() -> None:
    Depends(plain, scope="wroker")  # type: ignore[call-overload]
    Depends(plain())  # type: ignore[call-overload]
    _: int = Depends(plain)  # type: ignore[assignment]
    Blocking(app).modify(1)  # type: ignore[arg-type]
