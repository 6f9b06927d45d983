"""Routers and shared tasks: tasks that are declared before there is an application for them."""

import asyncio

import pytest
from kernel.support import PATIENCE_S
from qtasks import AsyncRouter, QueueTasks, SyncRouter, shared_task
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.router import Declarations, shared
from qtasks.testing import running


@pytest.fixture
def no_shared(monkeypatch):
    """The shared tasks of this test alone."""
    for name, value in vars(Declarations()).items():
        monkeypatch.setattr(shared, name, value)


def new_app(name="kernel"):
    return QueueTasks(name, f"memory://{new_id()}")


def one():
    return 1


def two():
    return 2


async def three():
    return 3


def run(app, task):
    with running(app):
        return task.add_task(timeout=PATIENCE_S).result()


def test_the_tasks_of_a_router_belong_to_the_application_that_includes_it(memory_app):
    router = SyncRouter()
    bare = router.task(one)
    named = router.task("second")(two)
    memory_app.include_router(router)
    assert memory_app.routers == [router]
    assert memory_app.tasks.names() == ["one", "second"]
    assert run(memory_app, bare) == 1
    assert run(memory_app, named) == 2


def test_a_router_of_the_awaitable_face_makes_awaitable_tasks():
    app = AsyncQueueTasks("kernel", f"memory://{new_id()}")
    router = AsyncRouter()
    task = router.task(three)
    app.include_router(router)

    async def main():
        async with running(app):
            return (await task.add_task(timeout=PATIENCE_S)).result()

    assert asyncio.run(main()) == 3


def test_tasks_that_a_router_gets_later_belong_to_the_application_too(memory_app):
    router = SyncRouter()
    router.task(one)
    memory_app.include_router(router)
    later = router.task(two)
    assert memory_app.tasks.names() == ["one", "two"]
    assert run(memory_app, later) == 2


def test_a_task_that_a_router_gets_while_the_worker_runs_is_run(memory_app):
    router = SyncRouter()
    router.task(one)
    memory_app.include_router(router)
    with running(memory_app):
        assert router.task(two).add_task(timeout=PATIENCE_S).result() == 2


def test_a_task_of_a_router_without_an_application_says_so():
    task = SyncRouter().task(one)
    with pytest.raises(ConfigError, match="no application has included") as raised:
        task.add_task()
    assert raised.value.hint == "Call app.include_router(router)."


def test_a_router_with_a_taken_name_is_not_included_at_all(memory_app):
    memory_app.task("taken")(one)
    router = SyncRouter()
    router.task("free")(one)
    router.task("taken")(two)
    with pytest.raises(ValueError, match="Task with name taken is already registered!"):
        memory_app.include_router(router)
    assert memory_app.tasks.names() == ["taken"]
    assert memory_app.routers == []


def test_a_task_whose_name_the_application_has_is_refused_by_the_router_too(memory_app):
    router = SyncRouter()
    memory_app.include_router(router)
    memory_app.task("taken")(one)
    with pytest.raises(ConfigError, match="Task with name taken is already registered!"):
        router.task("taken")(two)
    assert router.tasks.names() == []


def test_calls_of_a_router_in_two_applications_go_to_the_last(memory_app):
    router, last = SyncRouter(), new_app()
    task = router.task(one)
    memory_app.include_router(router)
    last.include_router(router)
    assert memory_app.tasks.names() == last.tasks.names() == ["one"]
    assert run(last, task) == 1


def test_a_shared_task_joins_applications_made_before_and_after_it(no_shared):
    before = new_app()
    task = shared_task(one)
    after = new_app()
    assert before.tasks.names() == after.tasks.names() == ["one"]
    with running(before):
        assert before.add_task("one", timeout=PATIENCE_S).result() == 1
    assert run(after, task) == 1


def test_a_shared_task_of_the_only_application_goes_to_it(no_shared):
    app = new_app()
    assert run(app, shared_task(one)) == 1


def test_calls_of_shared_tasks_go_to_the_application_made_last(no_shared):
    apps = [new_app(f"app-{number}") for number in range(20)]
    declared_after_all = shared_task(one)
    assert declared_after_all.home.runtime.app is apps[-1]
    last = new_app("last")
    assert declared_after_all.home.runtime.app is last


def test_a_shared_task_without_an_application_says_so(no_shared):
    with pytest.raises(ConfigError, match="no application"):
        shared_task(one).add_task()


def test_the_face_of_a_shared_task_is_that_of_its_function_or_as_asked(no_shared):
    app = new_app()
    blocking, awaitable = shared_task(one), shared_task(three)
    asked = shared_task("asked", awaiting=True)(one)
    assert run(app, blocking) == 1

    async def main():
        async with running(app):
            results = [await awaitable.add_task(timeout=PATIENCE_S), await asked.add_task(timeout=PATIENCE_S)]
            return [done.result() for done in results]

    assert asyncio.run(main()) == [3, 1]


def test_options_of_a_shared_task_are_those_of_a_task(no_shared):
    task = shared_task("named", priority=3, queue="mail")(one)
    assert (task.task_name, task.definition.options.priority, task.definition.options.queue) == ("named", 3, "mail")


def test_a_shared_name_is_taken_once(no_shared):
    shared_task("t")(one)
    with pytest.raises(ConfigError, match="Task with name t is already registered!"):
        shared_task("t")(two)
    assert new_app().tasks.names() == ["t"]


def test_a_shared_task_whose_name_an_application_has_joins_none(no_shared):
    free, taken = new_app(), new_app()
    taken.task("t")(one)
    with pytest.raises(ConfigError, match="Task with name t is already registered!"):
        shared_task("t")(two)
    assert free.tasks.names() == []
    assert new_app().tasks.names() == []
