"""`echo=True`: what a task sees of itself, in the face of its function."""

import asyncio
import logging

import pytest
from kernel.support import PATIENCE_S
from qtasks import TaskStatus, hookimpl
from qtasks.testing import running

BOTH = pytest.mark.parametrize("kind", ["function", "coroutine"])


def declare(app, kind, body, **options):
    """Declare a task of one kind; `body(self, *args)` may return what an `async def` would await."""
    if kind == "function":

        def task(self, *args):
            return body(self, *args)
    else:

        async def task(self, *args):
            answer = body(self, *args)
            return await answer if asyncio.iscoroutine(answer) else answer

    return app.task("t", echo=True, **options)(task)


@BOTH
def test_the_bound_object_comes_first_and_knows_the_call(app, kind):
    def body(self, x):
        ctx = self.ctx
        return [ctx.task_name, ctx.task_uuid.hex, ctx.attempt, ctx.delivery >= 1, x, repr(self)]

    task = declare(app, kind, body)
    with running(app):
        done = task.add_task(5, timeout=PATIENCE_S)
    assert done.result() == ["t", done.id, 0, True, 5, f"<bound task t {done.id}>"]


@BOTH
def test_options_are_attributes_of_the_bound_object(app, kind):
    def body(self):
        return [self.retry, self.priority, self.tags, self.queue, self.team, hasattr(self, "nonsense")]

    task = declare(app, kind, body, retry=3, priority=2, tags=["a"], team="billing")
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == [3, 2, ["a"], "default", "billing", False]


@BOTH
def test_metadata_are_the_handle_of_the_task_itself(app, kind):
    def plain(self):
        first, second, fresh = self.ctx.get_metadata(), self.ctx.get_metadata(), self.ctx.get_metadata(cache=False)
        return [first.status, first is second, first is fresh, first.id == self.ctx.task_uuid.hex]

    async def awaited(self):
        get = self.ctx.get_metadata
        first, second, fresh = await get(), await get(), await get(cache=False)
        return [first.status, first is second, first is fresh, first.id == self.ctx.task_uuid.hex]

    task = declare(app, kind, plain if kind == "function" else awaited)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == ["process", True, False, True]


@BOTH
def test_another_task_is_had_by_its_id(app, kind):
    def plain(self, task_id):
        return [self.ctx.get_task(task_id).returning, self.ctx.get_task("0" * 32)]

    async def awaited(self, task_id):
        return [(await self.ctx.get_task(task_id)).returning, await self.ctx.get_task("0" * 32)]

    other = app.task("other")(lambda: "done")
    task = declare(app, kind, plain if kind == "function" else awaited)
    with running(app):
        done = other.add_task(timeout=PATIENCE_S)
        assert task.add_task(done.id, timeout=PATIENCE_S).result() == ["done", None]


@BOTH
def test_more_calls_of_the_task_are_added_by_the_task(app, kind):
    def plain(self, depth):
        return self.add_task(depth - 1, timeout=PATIENCE_S).returning if depth else "bottom"

    async def awaited(self, depth):
        return (await self.add_task(depth - 1, timeout=PATIENCE_S)).returning if depth else "bottom"

    task = declare(app, kind, plain if kind == "function" else awaited)
    with running(app):
        assert task.add_task(3, timeout=PATIENCE_S).result() == "bottom"


@BOTH
def test_a_task_cancels_itself(app, kind):
    task = declare(app, kind, lambda self: self.ctx.cancel("had enough"))
    with running(app):
        cancelled = task.add_task(timeout=PATIENCE_S)
    assert (cancelled.status, cancelled.cancel_reason) == (TaskStatus.CANCEL, "had enough")


@BOTH
def test_sleep_waits_in_the_face_of_the_function(app, kind):
    task = declare(app, kind, lambda self: self.ctx.sleep(0.001))
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).status is TaskStatus.SUCCESS


@BOTH
def test_the_logger_is_named_after_the_task(app, kind, caplog):
    def body(self):
        self.ctx.get_logger().warning("from the task")
        self.ctx.get_logger("mine").warning("from elsewhere")

    task = declare(app, kind, body)
    with running(app), caplog.at_level(logging.WARNING):
        task.add_task(timeout=PATIENCE_S)
    assert [(record.name, record.message) for record in caplog.records] == [
        ("qtasks.task.t", "from the task"),
        ("mine", "from elsewhere"),
    ]


@BOTH
def test_the_config_and_the_components_are_those_of_the_application(app, kind):
    found = {}

    def body(self):
        found["config"] = self.ctx.get_config()
        for name in ("broker", "storage", "global_config", "worker", "executor", "app", "hooks", "config", "registry"):
            found[name] = self.ctx.get_component(name)
        self.ctx.get_component("brokr")

    task = declare(app, kind, body)
    with running(app) as block:
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error.startswith("ConfigError: There is no component 'brokr'.")
    assert found["config"] is app.config
    assert found["app"] is app
    assert found["broker"] is app.broker
    assert found["storage"] is app.storage
    assert found["global_config"] is app.global_config
    assert found["worker"] is block.worker
    assert found["hooks"] is app.hooks
    assert found["registry"] is app.tasks
    assert found["executor"].task_broker.id == failed.id


@BOTH
def test_a_plugin_error_is_handed_to_the_plugin(app, kind):
    class Rescue:
        @hookimpl
        def task_executor_run_task_trigger_error(self, e):
            return {"result": e.kwargs}

    app.add_plugin(Rescue())
    task = declare(app, kind, lambda self: self.ctx.plugin_error(code=7))
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == {"code": 7}


def test_a_plugin_error_that_nobody_answers_is_an_error(app):
    task = declare(app, "function", lambda self: self.ctx.plugin_error(code=7))
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).error == "TaskPluginTriggerError: plugin error: {'code': 7}"


def test_the_context_knows_the_handler_of_a_generator(app):
    def handler(value):
        return value + 1

    @app.task(echo=True, generate_handler=handler)
    def counting(self):
        assert self.ctx.generate_handler is handler
        yield 1

    with running(app):
        assert counting.add_task(timeout=PATIENCE_S).result() == [2]


def test_the_attempt_and_the_delivery_grow_with_retries(app):
    seen = []

    @app.task(echo=True, retry=2, retry_delay=0)
    def again(self):
        seen.append((self.ctx.attempt, self.ctx.delivery))
        if len(seen) < 3:
            raise ValueError

    with running(app):
        again.add_task(timeout=PATIENCE_S)
    assert [attempt for attempt, _ in seen] == [0, 1, 2]
    assert seen[0][1] < seen[1][1] < seen[2][1]


def test_the_face_is_that_of_the_function_and_not_of_the_application(async_app):
    @async_app.task(echo=True)
    def blocking(self):
        return self.ctx.get_metadata().task_name

    async def main():
        async with running(async_app):
            return (await blocking.add_task(timeout=PATIENCE_S)).result()

    assert asyncio.run(main()) == "blocking"
