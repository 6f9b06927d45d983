"""What plugins register through `register_arounds` is led around the runs of one task."""

import threading

import pytest
from qtasks import QueueTasks, hookimpl
from qtasks.errors import ArgumentsError
from qtasks.message import new_id
from qtasks.testing import running

PATIENCE_S = 20.0


@pytest.fixture
def app():
    app = QueueTasks("arounds", f"memory://{new_id()}")
    yield app
    app.close()


def add_plugin(app, *arounds, only=None):
    """A plugin that registers these for each task, or for one. Returns what it was told of the tasks."""
    asked = []

    class Registering:
        @hookimpl
        def register_arounds(self, register, task_func, args_info):
            asked.append((task_func.name, [info.name for info in args_info]))
            for around in arounds if only in (None, task_func.name) else ():
                register(around)

    app.add_plugin(Registering())
    return asked


def noting(seen, name):
    async def around(call_next, ctx):
        seen.append(f"{name} before")
        result = await call_next()
        seen.append(f"{name} after")
        return f"{name}({result})"

    return around


def run(app, function, *args, **options):
    task = app.task("t", **options)(function)
    with running(app):
        return task.add_task(*args, timeout=PATIENCE_S)


def plain(x=1):
    return f"{x} in {threading.current_thread().name}"


async def awaited(x=1):
    return f"{x} awaited"


def generator(x=1):
    yield x


@pytest.mark.parametrize(
    ("function", "result"), [(plain, "1 in qtasks-slot-0"), (awaited, "1 awaited"), (generator, "[1]")]
)
def test_arounds_are_led_around_each_kind_of_task_the_first_outermost(app, function, result):
    seen = []
    add_plugin(app, noting(seen, "a"), noting(seen, "b"))
    assert run(app, function).result() == f"a(b({result}))"
    assert seen == ["a before", "b before", "b after", "a after"]


def test_they_are_called_within_the_around_of_all_tasks(app):
    seen = []

    class Around:
        @hookimpl
        async def task_executor_around(self, call_next, ctx):
            return f"all({await call_next()})"

    app.add_plugin(Around())
    add_plugin(app, noting(seen, "one"))
    assert run(app, awaited).result() == "all(one(1 awaited))"


def test_a_plugin_is_asked_once_for_each_task_and_told_its_parameters(app):
    asked = add_plugin(app)
    other = app.task("other")(awaited)
    task = app.task("t")(plain)
    with running(app):
        for each in (task, task, other):
            each.add_task(timeout=PATIENCE_S)
    assert asked == [("t", ["x"]), ("other", ["x"])]


def test_other_tasks_are_left_alone(app):
    seen = []
    add_plugin(app, noting(seen, "a"), only="other")
    assert run(app, awaited).result() == "1 awaited"
    assert seen == []


def test_an_around_changes_the_arguments_and_leaves_the_message_alone(app):
    async def around(call_next, ctx):
        ctx.kw = {**ctx.kw, "x": 2}
        return await call_next()

    add_plugin(app, around)
    done = run(app, awaited)
    assert (done.result(), done.kwargs) == ("2 awaited", {})


def test_what_an_around_raises_is_the_error_of_the_task(app):
    runs = []

    async def around(call_next, ctx):
        runs.append(ctx.delivery.attempt)
        raise ConnectionError("not there")

    add_plugin(app, around)
    failed = run(app, awaited, retry=1, retry_delay=0, retry_on_exc=[ConnectionError])
    assert (failed.status, failed.error, runs) == ("error", "ConnectionError: not there", [0, 1])


def test_what_an_around_says_of_the_arguments_stands(app):
    async def around(call_next, ctx):
        raise ArgumentsError("argument 'x' is refused")

    add_plugin(app, around)
    failed = run(app, awaited, 1, 2, 3)
    assert (failed.status, failed.error) == ("dead", "ArgumentsError: argument 'x' is refused")


def test_a_plugin_that_fails_to_register_fails_the_task_and_not_the_worker(app):
    class Failing:
        @hookimpl
        def register_arounds(self, task_func):
            if task_func.name == "t":
                raise ZeroDivisionError("of the plugin")

    app.add_plugin(Failing())
    other, task = app.task("other")(awaited), app.task("t")(awaited)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
        assert other.add_task(timeout=PATIENCE_S).result() == "1 awaited"
    assert failed.status == "error"
    assert "hook register_arounds raised ZeroDivisionError: of the plugin" in failed.error
