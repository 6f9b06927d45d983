"""Executors as in QTasks 1.7: awaitable steps, and plain ones for blocking tasks."""

import asyncio
import threading

import pytest
from qtasks import hookimpl
from qtasks.executors import AsyncTaskExecutor, BaseTaskExecutor, SyncTaskExecutor
from qtasks.testing import running

PATIENCE_S = 20.0


class Waiting(AsyncTaskExecutor):
    async def run_task(self):
        await asyncio.sleep(0)
        return [await super().run_task()]

    async def decode(self, result):
        await asyncio.sleep(0)
        return {"decoded": await super().decode(result)}


@pytest.mark.parametrize("blocking", [True, False])
def test_an_awaitable_step_awaits_what_it_likes_around_any_task(app, blocking):
    def plain(x):
        return x

    async def awaited(x):
        return x

    task = app.task(name="job", executor=Waiting)(plain if blocking else awaited)
    with running(app):
        assert task.add_task(1, timeout=PATIENCE_S).result() == {"decoded": [1]}


class Plain(SyncTaskExecutor):
    """Every step is overridden, and goes on to the one above."""

    def execute(self):
        self.steps = ["execute"]
        return [*self.steps, super().execute()]

    def prepare(self):
        self.steps.append("prepare")
        super().prepare()
        self.args[0] += 1

    def run_task(self):
        self.steps.append("run_task")
        return super().run_task()

    def call_function(self):
        self.steps.append(threading.current_thread().name.partition("_")[0])
        return super().call_function()

    def on_error(self, error):
        return f"{type(error).__name__}: {error}"

    def decode(self, result):
        return {**super().decode({"result": result}), "steps": self.steps}


def plain_job(app):
    @app.task(executor=Plain)
    def job(x):
        if x == 1:
            raise ValueError("no")
        return x

    return job


def test_plain_steps_block_and_go_on_to_those_above(app):
    job = plain_job(app)
    with running(app):
        step, told = job.add_task(1, timeout=PATIENCE_S).result()
        assert (step, told["result"]) == ("execute", 2)
        assert told["steps"][:3] == ["execute", "prepare", "run_task"]
        assert job.add_task(0, timeout=PATIENCE_S).result()[1]["result"] == "ValueError: no"


def test_plain_steps_run_in_threads_where_the_event_loop_leads(app):
    class Asynchronous:
        @hookimpl
        async def task_executor_before_execute(self):
            await asyncio.sleep(0)

    app.add_plugin(Asynchronous())
    job = plain_job(app)
    with running(app):
        assert job.add_task(1, timeout=PATIENCE_S).result()[1]["result"] == 2


def test_an_executor_without_plain_steps_is_led_as_usual_and_keeps_what_is_its_own(app):
    class Untouched(SyncTaskExecutor):
        own = "class"

        def __init__(self, *args):
            super().__init__(*args)
            self.made = "instance"

        def told(self):
            return [self.own, self.made]

    @app.task(executor=Untouched, echo=True)
    def job(self):
        executor = self.ctx.get_component("executor")
        assert isinstance(executor, BaseTaskExecutor)
        with pytest.raises(AttributeError, match="nothing"):
            executor.nothing()
        return executor.told()

    with running(app):
        assert job.add_task(timeout=PATIENCE_S).result() == ["class", "instance"]
