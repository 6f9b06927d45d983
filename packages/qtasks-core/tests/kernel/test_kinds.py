"""Every kind of function is a task, in either face; executors, middlewares and `decode` do their part."""

import asyncio

import pytest
from kernel.support import PATIENCE_S
from qtasks import TaskFailed, TaskStatus, hookimpl
from qtasks.errors import ConfigError
from qtasks.executor.executor import TaskExecutor
from qtasks.testing import running


def double(x):
    return x * 2


async def double_async(x):
    await asyncio.sleep(0)
    return x * 2


def count(to):
    yield from range(to)


async def count_async(to):
    for number in range(to):
        await asyncio.sleep(0)
        yield number


class Callable:
    async def __call__(self, x):
        return x * 2


KINDS = pytest.mark.parametrize(
    ("function", "result"),
    [(double, 6), (double_async, 6), (count, [0, 1, 2]), (count_async, [0, 1, 2]), (Callable(), 6)],
    ids=["function", "coroutine", "generator", "async_generator", "object"],
)


@KINDS
def test_every_kind_runs_in_the_blocking_face(app, function, result):
    task = app.task("t")(function)
    with running(app):
        done = task.add_task(3, timeout=PATIENCE_S)
    assert (done.status, done.returning, done.result()) == (TaskStatus.SUCCESS, result, result)


@KINDS
def test_every_kind_runs_in_the_awaitable_face(async_app, function, result):
    task = async_app.task("t")(function)

    async def main():
        async with running(async_app):
            return await task.add_task(3, timeout=PATIENCE_S)

    done = asyncio.run(main())
    assert (done.status, done.returning, done.result()) == (TaskStatus.SUCCESS, result, result)


def test_a_task_added_without_a_timeout_is_waited_for_later(app):
    task = app.task(double).add_task(3)
    assert task.status is TaskStatus.NEW
    with running(app):
        assert task.wait_result(PATIENCE_S) is task
    assert task.result() == 6


def test_a_result_is_awaited_on_a_loop(async_app):
    task = async_app.task(double)

    async def main():
        added = await task.add_task(3)
        async with running(async_app):
            return await added.wait_result_async(PATIENCE_S)

    assert asyncio.run(main()).result() == 6


def test_a_plain_function_may_return_an_awaitable(app):
    def deferred(x):
        return double_async(x)

    task = app.task(deferred)
    with running(app):
        assert task.add_task(3, timeout=PATIENCE_S).result() == 6


@pytest.mark.parametrize("function", [double, double_async], ids=["function", "coroutine"])
def test_what_a_task_raises_is_told_to_who_asks_for_the_result(app, function):
    task = app.task("t")(function)
    with running(app):
        failed = task.add_task({}, timeout=PATIENCE_S)
    assert failed.status is TaskStatus.ERROR
    with pytest.raises(TaskFailed, match=f"^Task t {failed.id} ended with status error: TypeError: unsupp") as raised:
        failed.result()
    assert raised.value.type_name == "TypeError"
    assert "return x * 2" in raised.value.traceback
    assert "qtasks/executor" not in raised.value.traceback
    assert failed.traceback == raised.value.traceback


@pytest.mark.parametrize("function", [double, double_async], ids=["function", "coroutine"])
def test_the_traceback_of_a_task_that_plugins_lead_around_begins_in_its_function(app, function):
    class Around:
        @hookimpl
        async def task_executor_around(self, call_next):
            return await call_next()

    app.add_plugin(Around())
    task = app.task("t")(function)
    with running(app):
        failed = task.add_task({}, timeout=PATIENCE_S)
    assert failed.traceback.count("  File ") == 1
    assert "return x * 2" in failed.traceback


def test_a_plugin_around_a_task_that_raises_is_in_the_traceback(app):
    class Around:
        @hookimpl
        async def task_executor_around(self, call_next):
            await call_next()
            raise ValueError("after all")

    app.add_plugin(Around())
    task = app.task("t")(double)
    with running(app):
        failed = task.add_task(1, timeout=PATIENCE_S)
    assert 'raise ValueError("after all")' in failed.traceback


def test_the_causes_of_an_error_are_told(app):
    @app.task
    def chained():
        raise ValueError("outer") from KeyError("inner")

    with running(app):
        failed = chained.add_task(timeout=PATIENCE_S)
    assert failed.record.error.causes == ["KeyError: 'inner'"]


def test_an_error_whose_text_cannot_be_had_is_an_error_like_others(app):
    class UnreadableError(Exception):
        def __str__(self):
            raise RuntimeError

    @app.task
    def unreadable():
        raise UnreadableError

    with running(app):
        failed = unreadable.add_task(timeout=PATIENCE_S)
    assert failed.error == "UnreadableError: <the exception has no text: its __str__ raised>"


@pytest.mark.parametrize("function", [double, double_async], ids=["function", "coroutine"])
def test_decode_is_applied_to_the_result(app, function):
    task = app.task("t", decode=lambda result: f"<{result}>")(function)
    with running(app):
        assert task.add_task(3, timeout=PATIENCE_S).result() == "<6>"


def test_the_decode_of_the_config_serves_tasks_that_have_none(app):
    app.config.task_default_decode = str
    plain, own = app.task("plain")(double), app.task("own", decode=float)(double)
    with running(app):
        assert plain.add_task(3, timeout=PATIENCE_S).result() == "6"
        assert own.add_task(3, timeout=PATIENCE_S).result() == 6.0


def test_decode_wins_over_the_return_annotation(app):
    import datetime as dt

    @app.task(decode=lambda when: when.year)
    def year() -> dt.datetime:
        return dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    with running(app):
        assert year.add_task(timeout=PATIENCE_S).result() == 2030


class Doubling(TaskExecutor):
    async def run_task(self):
        return 10 * await super().run_task()


class Forgiving(TaskExecutor):
    async def on_error(self, error):
        return f"forgiven: {error}"


class Pipeline(TaskExecutor):
    async def execute(self):
        return ["a", "whole", "pipeline", *self.args]


class Suspending(TaskExecutor):
    suspends = True

    async def prepare(self):
        await super().prepare()
        await asyncio.sleep(0)
        self.args = [100]


@pytest.mark.parametrize("function", [double, double_async], ids=["function", "coroutine"])
@pytest.mark.parametrize(
    ("executor", "argument", "result"),
    [
        (Doubling, 3, 60),
        (Forgiving, {}, "forgiven: unsupported operand type(s) for *: 'dict' and 'int'"),
        (Pipeline, 3, ["a", "whole", "pipeline", 3]),
        (Suspending, 3, 200),
    ],
)
def test_an_executor_of_the_task_replaces_the_steps_of_a_run(app, function, executor, argument, result):
    task = app.task("t", executor=executor)(function)
    with running(app):
        assert task.add_task(argument, timeout=PATIENCE_S).result() == result


class Unmakeable(TaskExecutor):
    def __init__(self, run):
        raise LookupError(run.message.task)


def test_an_executor_that_cannot_be_made_fails_its_task_only(app):
    broken = app.task("broken", executor=Unmakeable)(double)
    sound = app.task("sound")(double)
    with running(app):
        assert broken.add_task(1, timeout=PATIENCE_S).status is TaskStatus.ERROR
        assert sound.add_task(1, timeout=PATIENCE_S).result() == 2


class Appending:
    def __init__(self, executor):
        self.executor = executor

    def __call__(self):
        self.executor.args.append(4)


async def negate(executor):
    await asyncio.sleep(0)
    executor.result = -executor.result


def add(x, y):
    return x + y


async def add_async(x, y):
    return x + y


@pytest.mark.parametrize("function", [add, add_async], ids=["function", "coroutine"])
def test_middlewares_run_before_and_after_the_function(app, function):
    task = app.task("t", middlewares_before=[Appending], middlewares_after=[negate])(function)
    with running(app):
        assert task.add_task(3, timeout=PATIENCE_S).result() == -7


def test_a_middleware_that_raises_fails_the_task(app):
    def refuse(executor):
        raise PermissionError("not you")

    ran = []
    task = app.task("t", middlewares_before=[refuse])(ran.append)
    with running(app):
        failed = task.add_task(1, timeout=PATIENCE_S)
    assert failed.error == "PermissionError: not you"
    assert ran == []


@pytest.mark.parametrize("junk", [3, "double", double.__class__, None])
def test_only_functions_become_tasks(memory_app, junk):
    with pytest.raises(ConfigError, match="A task must be a function") as raised:
        memory_app.task(name="t")(junk)
    assert "@app.task" in raised.value.hint


def test_a_name_is_registered_once(memory_app):
    memory_app.task("t")(double)
    with pytest.raises(ValueError, match=r"^Task with name t is already registered!\n") as raised:
        memory_app.task("t")(add)
    assert f"{__file__}, line {double.__code__.co_firstlineno}." in raised.value.hint


def test_a_task_has_the_name_and_the_words_of_its_function(memory_app):
    @memory_app.task
    def documented():
        """Says what it does."""

    assert (documented.__name__, documented.task_name) == ("documented", "documented")
    assert documented.__doc__ == "Says what it does."
    assert repr(documented) == "<SyncTask documented>"
    assert memory_app.tasks["documented"] is documented.definition


def test_options_that_are_not_declared_are_kept_for_plugins(memory_app):
    task = memory_app.task(team="billing", priority=3)(double)
    assert task.definition.options.extra == {"team": "billing"}
    assert task.definition.options.priority == 3
