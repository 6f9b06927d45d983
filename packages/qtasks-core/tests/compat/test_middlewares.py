"""Middlewares as in QTasks 1.7: of a task and of an application, of either kind, before and after."""

import pytest
from qtasks.errors import ConfigError
from qtasks.middlewares import BaseMiddleware, TaskMiddleware
from qtasks.testing import running

PATIENCE_S = 20.0


def noting(name, steps):
    """A middleware of each kind: `def` for names in lower case, `async def` for others."""

    class Plain(TaskMiddleware):
        def __call__(self):
            steps.append((name, self.task_executor.task_func.name))

    class Awaited(TaskMiddleware):
        async def __call__(self):
            steps.append((name, self.task_executor.task_func.name))

    return Plain if name.islower() else Awaited


@pytest.mark.parametrize("blocking", [True, False])
def test_those_of_the_application_run_around_those_of_the_task(app, blocking):
    steps = []
    app.add_middleware(noting("app", steps))
    app.add_middleware(noting("APP", steps), position="before")
    app.add_middleware(noting("last", steps), position="after")

    def plain():
        steps.append("function")

    async def awaited():
        steps.append("function")

    task = app.task(name="job", middlewares_before=[noting("task", steps)], middlewares_after=[noting("TASK", steps)])(
        plain if blocking else awaited
    )
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).status == "success"
    assert steps == [*((name, "job") for name in ("app", "APP", "task")), "function", ("TASK", "job"), ("last", "job")]


def test_middlewares_change_arguments_and_results(app):
    class Trim(TaskMiddleware):
        def __call__(self):
            self.task_executor.args = [text.strip() for text in self.task_executor.args]

    class Shout(TaskMiddleware):
        async def __call__(self):
            self.task_executor.result += "!"

    app.add_middleware(Trim)
    app.add_middleware(Shout, position="after")

    @app.task
    def greet(name):
        return f"Hello, {name}"

    with running(app):
        assert greet.add_task("  Ann ", timeout=PATIENCE_S).result() == "Hello, Ann!"


def test_a_middleware_that_raises_fails_the_task(app):
    class Refuse(TaskMiddleware):
        def __call__(self):
            raise PermissionError("not today")

    app.add_middleware(Refuse)

    @app.task
    def job():
        raise AssertionError

    with running(app):
        assert job.add_task(timeout=PATIENCE_S).error == "PermissionError: not today"


def test_what_is_no_middleware_is_refused(app):
    with pytest.raises(ConfigError, match='expected something to call and "before" or "after", found 7, \'before\''):
        app.add_middleware(7)
    with pytest.raises(ConfigError, match=r"found .*TaskMiddleware'>, 'between'"):
        app.add_middleware(TaskMiddleware, position="between")
    with pytest.raises(TypeError, match="abstract"):
        BaseMiddleware(None)


def test_an_application_without_middlewares_has_no_plugin_for_them(app):
    assert [plugin.name for plugin in app.plugins if plugin.name == "middlewares"] == []
