"""The two faces over one implementation: who blocks, who awaits, and what happens where they meet."""

import asyncio
import os
import threading

import pytest
from kernel.support import PATIENCE_S, plugin_with
from qtasks import QueueTasks, hookimpl
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import (
    ConfigError,
    PluginError,
    WouldSuspendError,
)
from qtasks.executor.context import current_executor
from qtasks.executor.executor import TaskExecutor
from qtasks.runtime import drive
from qtasks.testing import running


@pytest.mark.parametrize("face", [QueueTasks, AsyncQueueTasks])
def test_an_application_shows_what_it_is(face):
    app = face("shop", "memory://shown")
    app.task(print)
    assert (app.name, app.broker.url, app.storage.url) == ("shop", "memory://shown", "memory://shown")
    assert repr(app) == f"<{face.__name__} shop on memory://shown: 1 tasks>"
    assert {"core", "retry"} <= {plugin.name for plugin in app.plugins}


def test_applications_of_one_name_and_place_share_their_tasks(url):
    one, two = QueueTasks("kernel", url), QueueTasks("kernel", url)
    stranger = QueueTasks("stranger", url)
    added = one.add_task("t")
    assert two.get(added.id).task_name == "t"
    assert stranger.get(added.id) is None
    for app in (one, two, stranger):
        app.close()


def test_both_faces_answer_a_ping(app, async_app):
    async def main():
        answers = await async_app.ping(), await async_app.ping(server=False)
        await async_app.close()
        return answers

    assert app.ping() is True
    assert app.ping(server=False) is True
    assert asyncio.run(main()) == (True, True)


def test_an_application_goes_on_after_it_was_closed(app):
    added = app.add_task("t")
    app.close()
    app.close()
    assert app.get(added.id).task_name == "t"


def test_an_application_serves_one_event_loop_after_another(async_app):
    task = async_app.task("t")(lambda x: x)

    async def main(x):
        async with running(async_app):
            return (await task.add_task(x, timeout=PATIENCE_S)).result()

    assert [asyncio.run(main(x)) for x in range(3)] == [0, 1, 2]


def test_an_application_serves_one_event_loop_after_another_without_being_closed(url):
    app = AsyncQueueTasks("kernel", url)

    async def add():
        return await app.add_task("t")

    async def read(task):
        found = await app.get(task.id)
        await app.close()
        return found

    added = asyncio.run(add())
    assert asyncio.run(read(added)).task_name == "t"


def test_many_threads_add_tasks_at_once(app):
    task = app.task("t")(lambda x: x)
    results = []

    def add(number):
        results.extend(task.add_task(number * 10 + one, timeout=PATIENCE_S).result() for one in range(10))

    with running(app):
        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results) == list(range(80))


# Where the blocking face meets an event loop.


FACE = "the awaitable face, `from qtasks.asyncio import QueueTasks`,"


def test_a_blocking_call_on_a_running_loop_works_and_warns_once_for_each_task(app):
    a, b = app.task("a")(lambda: "a"), app.task("b")(lambda: ["b"])

    async def main():
        results = [task.add_task(timeout=PATIENCE_S).result() for task in (a, a, b)]
        for added in (a.add_task(), a.add_task()):
            added.wait_result(PATIENCE_S)
        app.get(added.id)
        list(added.stream())
        return results

    with running(app), pytest.warns(RuntimeWarning) as warned:
        assert asyncio.run(main()) == ["a", "a", ["b"]]
    assert [str(warning.message) for warning in warned] == [
        f"add_task() of task 'a' blocks the running event loop. Use {FACE} there.",
        f"add_task() of task 'b' blocks the running event loop. Use {FACE} there.",
        "wait_result() of task 'a' blocks the running event loop. Use `await task.wait_result_async()` there.",
        f"get() blocks the running event loop. Use {FACE} there.",
        "stream() blocks the running event loop. Use `async for value in task.stream()` there.",
    ]
    assert {warning.filename for warning in warned} == {__file__}


def test_a_blocking_call_without_a_loop_warns_of_nothing(app):
    """Warnings are errors in these tests."""
    task = app.task("t")(lambda: 1)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == 1


class AsyncHooks:
    def __init__(self):
        self.threads = set()

    @hookimpl
    async def qtasks_add_task_before_broker(self, args):
        await asyncio.sleep(0)
        self.threads.add(threading.current_thread().name)
        return {"args": [*args, "added"]}


def test_an_async_hook_is_served_by_the_background_loop(app):
    plugin = AsyncHooks()
    app.add_plugin(plugin)
    task = app.task("t")(lambda *args: args)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == [1, "added"]
        assert app.add_tasks([task(2), task(3)])[1].wait_result(PATIENCE_S).result() == [3, "added"]
        assert list(app.get(task.add_task(4, timeout=PATIENCE_S).id).stream()) == []
    assert plugin.threads == {"qtasks-bridge"}


def test_an_async_hook_that_is_added_later_changes_the_way_of_the_next_call(app):
    task = app.task("t")(lambda *args: args)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == [1]
        app.add_plugin(AsyncHooks())
        assert task.add_task(1, timeout=PATIENCE_S).result() == [1, "added"]


@pytest.mark.filterwarnings("ignore:add_task.. of task 'inner' blocks")
def test_a_blocking_call_on_the_background_loop_is_an_error_and_no_deadlock(app):
    class Nested:
        @hookimpl
        async def qtasks_add_task_before_broker(self, task_name):
            if task_name == "outer":
                app.add_task("inner")

    app.add_plugin(Nested())
    with pytest.raises(WouldSuspendError, match="on the event loop that runs asynchronous hooks"):
        app.add_task("outer")
    assert app.add_task("inner").task_name == "inner"


def test_a_ping_with_an_async_hook_is_answered(app):
    pinged = []

    class Pinged:
        @hookimpl
        async def qtasks_ping(self, qtasks):
            await asyncio.sleep(0)
            pinged.append(qtasks)

    app.add_plugin(Pinged())
    assert app.ping()
    assert pinged == [app]


def test_a_coroutine_that_suspends_is_named():
    async def suspending():
        await asyncio.sleep(0)

    with pytest.raises(WouldSuspendError, match=r"test_a_coroutine_that_suspends_is_named.*suspending waited"):
        drive(suspending())


class Sleepy(TaskExecutor):
    async def prepare(self):
        await super().prepare()
        await asyncio.sleep(0)


def test_an_executor_that_suspends_without_saying_so_fails_its_task_and_not_the_slot(app):
    task = app.task("t", executor=Sleepy)(lambda: 1)
    sound = app.task("sound")(lambda: 2)
    with running(app, concurrency=1):
        for _ in range(3):
            failed = task.add_task(timeout=PATIENCE_S)
            assert failed.error.startswith("WouldSuspendError")
            assert "suspends = True" in failed.error
        assert sound.add_task(timeout=PATIENCE_S).result() == 2


# Forks.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.needs("sqlite")
@pytest.mark.parametrize("asynchronous_hooks", [False, True])
def test_a_fork_shares_no_connection(tmp_path, asynchronous_hooks):
    app = QueueTasks("kernel", f"sqlite:///{tmp_path}/queue.db")
    if asynchronous_hooks:
        app.add_plugin(AsyncHooks())
    before = app.add_task("before")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            added = app.add_task("child")
            status = 0 if app.get(added.id).task_name == "child" and app.get(before.id) else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert app.get(app.add_task("parent").id).task_name == "parent"
    assert app.get(before.id).task_name == "before"
    assert sum(queue.ready for queue in app.runtime.run_blocking(lambda link: link.broker.inspect())) == 3
    app.close()
    if asynchronous_hooks:
        app.runtime.bridge(lambda link: link.close())


# Hooks of a producer that misbehave end the call, as their kind says.


@pytest.mark.parametrize(
    ("hook", "junk"),
    [
        ("qtasks_add_task_before_broker", {"args": 3}),
        ("qtasks_add_task_before_broker", {"priority": "high"}),
        ("qtasks_add_task_before_broker", {"task_name": 3}),
        ("qtasks_add_task_before_broker", {"nonsense": 3}),
        ("qtasks_add_task_before_broker", 3),
        ("broker_add_before", object()),
        ("broker_write_message", object()),
        ("storage_add", {"uuid": "abc"}),
    ],
)
def test_junk_of_a_producers_hook_ends_the_call(app, hook, junk):
    task = app.task("t")(print)
    name = app.add_plugin(plugin_with(hook, lambda **kw: junk))
    with pytest.raises((PluginError, ConfigError, TypeError)):
        task.add_task()
    app.hooks.remove(name)
    assert task.add_task().task_name == "t"


# Nothing of one run is seen by the next.


def test_the_executor_of_a_run_is_known_in_its_context_only(app):
    seen = []

    @app.task
    async def look():
        seen.append(current_executor.get().task_broker.id)

    @app.task
    def look_blocking():
        seen.append(current_executor.get().task_broker.id)

    with running(app, concurrency=1):
        ids = [task.add_task(timeout=PATIENCE_S).id for task in (look, look, look_blocking, look_blocking)]
    assert seen == ids
    assert current_executor.get() is None
