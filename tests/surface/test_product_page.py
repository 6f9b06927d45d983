"""The product page, line by line, as far as no other distribution than qtasks-core is needed."""

import asyncio
import threading
from pathlib import Path

import pytest
from qtasks import QueueTasks, TaskStatus, hookimpl
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.errors import BackendMissingError
from qtasks.executor.executor import TaskExecutor
from qtasks.message import new_id
from qtasks.ports import BackendContext
from qtasks.testing import running

PATIENCE_S = 20.0


def test_the_sync_api_adds_a_task_and_gets_its_result():
    from qtasks import QueueTasks

    app = QueueTasks()

    @app.task
    async def handler(x: int):
        return x * 2

    with running(app):
        assert handler.add_task(4, timeout=PATIENCE_S).returning == 8
        task = app.add_task("handler", 5)
        assert task.wait_result().returning == 10
    app.close()


def test_the_async_api_adds_a_task_and_gets_its_result():
    from qtasks.asyncio import QueueTasks

    app = QueueTasks()

    @app.task
    async def handler(x: int):
        return x * 2

    async def main():
        async with running(app):
            first = await handler.add_task(4, timeout=PATIENCE_S)
            second = await app.add_task("handler", 5)
            return first.returning, (await second.wait_result_async()).returning

    assert asyncio.run(main()) == (8, 10)


# Where tasks wait.


def test_a_broker_url_picks_the_broker_by_its_scheme(tmp_path):
    memory = QueueTasks(broker_url="memory://surface")
    file = QueueTasks(broker_url=f"sqlite:///{tmp_path}/own.db")
    assert type(memory.broker).__name__ == "MemoryBroker"
    assert type(file.broker).__name__ == "SqliteBroker"


def test_a_missing_broker_is_answered_with_the_pip_line(monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS_DISABLE", "redis")  # as where qtasks-redis is not installed
    with pytest.raises(BackendMissingError, match=r"No broker for redis://\.\nInstall one: pip install qtasks-redis\."):
        QueueTasks(broker_url="redis://localhost:6379/0")


def test_a_broker_object_is_used_as_given():
    broker = MemoryBroker.from_url(f"memory://{new_id()}", BackendContext(namespace="surface"))
    app = QueueTasks("surface", broker=broker)
    task = app.task("t")(lambda: "ran")
    assert app.broker is broker
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == "ran"


def test_the_embedded_default_needs_no_url(app):
    task = app.task("t")(lambda: "ran")
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == "ran"
    assert Path(".qtasks/qtasks.db").is_file()


# Tasks.


def function(x):
    return [x, x + 1]


async def coroutine(x):
    return [x, x + 1]


def generator(x):
    yield x
    yield x + 1


async def async_generator(x):
    yield x
    yield x + 1


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async_generator"])
def test_a_task_of_each_kind_runs(app, kind):
    task = app.task({f.__name__: f for f in (function, coroutine, generator, async_generator)}[kind])
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == [1, 2]


def test_an_executor_of_the_task_handles_its_errors(app):
    class MyTaskExecutor(TaskExecutor):
        async def on_error(self, error):
            return f"handled: {error}"

    @app.task(executor=MyTaskExecutor)
    def failing():
        raise ValueError("no")

    with running(app):
        assert failing.add_task(timeout=PATIENCE_S).result() == "handled: no"


def test_an_executor_of_the_task_decides_about_retries(app):
    """Three times at once, in one attempt: another strategy than the back-off of `retry=`."""

    class MyTaskExecutor(TaskExecutor):
        async def call_function(self):
            for _ in range(2):
                try:
                    return await super().call_function()
                except ValueError:
                    pass
            return await super().call_function()

    runs = []

    @app.task(executor=MyTaskExecutor)
    def failing():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError
        return len(runs)

    with running(app):
        done = failing.add_task(timeout=PATIENCE_S)
    assert (done.result(), done.record.attempt) == (3, 0)


def test_an_executor_of_the_task_wraps_its_runs(app):
    class MyTaskExecutor(TaskExecutor):
        async def run_task(self):
            return ["before", await super().run_task(), "after"]

    @app.task(executor=MyTaskExecutor)
    def plain():
        return "run"

    with running(app):
        assert plain.add_task(timeout=PATIENCE_S).result() == ["before", "run", "after"]


def test_an_executor_of_the_task_runs_a_pipeline(app):
    class MyTaskExecutor(TaskExecutor):
        async def execute(self):
            value = self.args[0]
            for step in (str.strip, str.title, self.task_func.function):
                value = step(value)
            return value

    @app.task(executor=MyTaskExecutor)
    def greet(name):
        return f"Hello, {name}!"

    with running(app):
        assert greet.add_task("  ada lovelace ", timeout=PATIENCE_S).result() == "Hello, Ada Lovelace!"


# Plugins.


class Recorder:
    def __init__(self):
        self.seen = []

    @hookimpl
    def task_executor_args_replace(self, args):
        self.seen.append("task_executor_args_replace")

    @hookimpl
    def task_executor_before_execute(self):
        self.seen.append("task_executor_before_execute")

    @hookimpl
    def worker_start(self):
        self.seen.append("worker_start")

    @hookimpl
    def broker_start(self):
        self.seen.append("broker_start")


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, {"task_executor_args_replace", "task_executor_before_execute", "worker_start", "broker_start"}),
        ({"trigger_names": ["task_executor_args_replace"], "component": "worker"}, {"task_executor_args_replace"}),
        ({"component": "worker"}, {"task_executor_args_replace", "task_executor_before_execute", "worker_start"}),
        ({"component": "broker"}, {"broker_start"}),
        ({"trigger_names": ["-"]}, {"worker_start", "broker_start"}),
    ],
)
def test_a_plugin_is_restricted_to_triggers_and_a_component(app, options, seen):
    plugin = Recorder()
    app.add_plugin(plugin, **options)
    task = app.task(function)
    with running(app):
        task.add_task(1, timeout=PATIENCE_S)
    assert set(plugin.seen) == seen


def test_a_plugin_sees_the_execution_of_a_task(app):
    seen = []

    class Watching:
        @hookimpl
        async def task_executor_around(self, call_next, ctx):
            seen.append(("before", ctx.task_broker.task, ctx.args))
            result = await call_next()
            seen.append(("after", result))
            return result

    app.add_plugin(Watching())
    task = app.task(function)
    with running(app):
        task.add_task(1, timeout=PATIENCE_S)
    assert seen == [("before", "function", [1]), ("after", [1, 2])]


def test_a_plugin_changes_the_arguments(app):
    class Tens:
        @hookimpl
        def task_executor_args_replace(self, args, kw):
            return {"args": [value * 10 for value in args], "kw": kw}

    app.add_plugin(Tens())
    task = app.task(function)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == [10, 11]


def test_a_plugin_changes_the_result(app):
    class Reversed:
        @hookimpl
        def task_executor_after_execute_result_replace(self, result):
            return result[::-1]

    app.add_plugin(Reversed())
    task = app.task(function)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == [2, 1]


def test_a_plugin_sees_what_happens_in_components(app):
    seen = []

    class Watching:
        @hookimpl
        def starter_start(self):
            seen.append("starter")

        @hookimpl
        def broker_start(self, broker):
            seen.append(type(broker).__name__)

        @hookimpl
        def storage_start(self, storage):
            seen.append(type(storage).__name__)

        @hookimpl
        def worker_start(self, worker):
            seen.append(type(worker).__name__)

    app.add_plugin(Watching())
    app.task(function)
    with running(app):
        pass
    assert seen == ["starter", "SqliteBroker", "SqliteStorage", "Worker"]


# Any number of workers.


def workers(count, function):
    """So many applications on the embedded default, each with a task `t`."""
    apps = [QueueTasks() for _ in range(count)]
    for app in apps:
        app.task("t")(function)
    return apps


def test_a_task_is_processed_by_one_worker_only():
    ran, lock = [], threading.Lock()

    def note(number):
        with lock:
            ran.append(number)

    first, second = workers(2, note)
    with running(first), running(second):
        tasks = [first.add_task("t", number) for number in range(100)]
        assert all(task.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for task in tasks)
    first.close()
    second.close()
    assert sorted(ran) == list(range(100))


def test_several_workers_share_the_tasks():
    """Three workers of one slot each have to be at work at once for these three tasks to end."""
    together = threading.Barrier(3, timeout=PATIENCE_S)
    apps = workers(3, together.wait)
    with (
        running(apps[0], concurrency=1),
        running(apps[1], concurrency=1),
        running(apps[2], concurrency=1),
    ):
        tasks = [apps[0].add_task("t") for _ in range(3)]
        assert all(task.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS for task in tasks)
    for app in apps:
        app.close()
