"""A plugin that raises, answers junk or hangs, in every hook: what becomes of the task the hook's kind says."""

import asyncio

import pytest
from kernel.support import PATIENCE_S, Plugin, plugin_with
from qtasks import TaskStatus, hookimpl
from qtasks.hooks import SPECS, Kind
from qtasks.message import Outcome, TaskMessage
from qtasks.testing import running

HOOKS = [name for name, spec in SPECS.items() if not spec.sync_only]

FAILS_THE_TASK = [
    "broker_read_message",
    "broker_add_worker",
    "storage_add_process",
    "worker_add",
    "worker_run_task_before",
    "worker_execute_before",
    "task_executor_args_replace",
    "task_executor_around",
    "task_executor_run_task",
    "task_executor_after_execute_result_replace",
    "task_executor_decode",
    "storage_update",
    "broker_update",
    "worker_remove_finished_task",
    "broker_remove_finished_task",
]
"""Hooks on the way of every plain task that are not merely notified."""


def raise_(**kw):
    raise ZeroDivisionError("of the plugin")


async def raise_async(**kw):
    raise ZeroDivisionError("of the plugin")


async def hang(**kw):
    await asyncio.Event().wait()


def junk(**kw):
    return object()


async def junk_async(**kw):
    return object()


def misbehaving(hook, how):
    """A plugin that misbehaves in one hook, in one way."""
    around = SPECS[hook].kind is Kind.AROUND
    if how == "raises":
        return plugin_with(hook, raise_async if around else raise_)
    if how == "raises later":
        return plugin_with(hook, raise_async)
    if how == "hangs":
        return plugin_with(hook, hang)
    if how == "answers junk":
        return plugin_with(hook, junk_async if around else junk)

    def poison(**kw):
        return {key: object() for key in SPECS[hook].returns}

    async def poison_async(**kw):
        return object()

    return plugin_with(hook, poison_async if around else poison)


@pytest.fixture
def max_time():
    return None


@pytest.fixture
def tasks(memory_app, max_time):
    """A task of each kind, and one that fails and is retried."""
    memory_app.hooks.timeout_s = 0.02
    options = {"max_time": max_time, "retry_delay": 0, "middlewares_before": [lambda executor: None]}

    @memory_app.task(**options)
    def function(x):
        return x

    @memory_app.task(**options)
    async def coroutine(x):
        return x

    @memory_app.task(**options)
    def generator(x):
        yield x

    @memory_app.task(**options)
    async def async_generator(x):
        yield x

    @memory_app.task(**options, retry=1)
    def failing(x):
        raise ValueError(x)

    return [function, coroutine, generator, async_generator, failing]


CASES = [
    # An `around` hook counts into the time limit of the task; the others have one of their own.
    pytest.param(hook, how, 0.1 if SPECS[hook].kind is Kind.AROUND and how == "hangs" else None, id=f"{hook}-{how}")
    for hook in HOOKS
    for how in ("raises", "raises later", "answers junk", "poisons each key", "hangs")
]


@pytest.mark.parametrize(("hook", "how", "max_time"), CASES)
def test_the_worker_goes_on_whatever_a_plugin_does(memory_app, tasks, hook, how):
    added = memory_app.add_tasks([task(1) for task in tasks])
    name = memory_app.add_plugin(misbehaving(hook, how))
    with running(memory_app):
        done = [task.wait_result(PATIENCE_S) for task in added]
        assert all(task is not None and task.status.terminal for task in done)
        assert done[4].status is TaskStatus.ERROR
        if SPECS[hook].kind is Kind.NOTIFY:
            assert [task.status for task in done[:4]] == [TaskStatus.SUCCESS] * 4
        elif hook in FAILS_THE_TASK and how.startswith(("raises", "hangs")):
            assert [task.status for task in done[:2]] == [TaskStatus.ERROR] * 2
            assert all(reason in done[0].error for reason in ([hook] if hook != "task_executor_around" else []))
        memory_app.hooks.remove(name)
        assert [task.add_task(2, timeout=PATIENCE_S).status for task in tasks[:4]] == [TaskStatus.SUCCESS] * 4


@pytest.mark.parametrize(
    "answer", [{"args": 3}, {"kw": 3}, {"uuid": object()}, {"task_name": "nobody"}, {"task_name": []}]
)
def test_junk_about_a_taken_task_ends_it_as_an_error(memory_app, tasks, answer):
    memory_app.add_plugin(plugin_with("broker_add_worker", lambda **kw: answer))
    with running(memory_app):
        assert tasks[0].add_task(1, timeout=PATIENCE_S).status is TaskStatus.ERROR


def test_the_traceback_of_a_hook_that_fails_shows_the_plugin_once_and_nothing_of_ours(memory_app, tasks):
    memory_app.add_plugin(misbehaving("task_executor_args_replace", "raises"))
    with running(memory_app):
        failed = tasks[0].add_task(1, timeout=PATIENCE_S)
    assert failed.traceback.count(__file__) == 1
    assert "/qtasks/" not in failed.traceback
    assert "hook task_executor_args_replace raised" in failed.traceback


def test_a_notified_plugin_that_fails_is_muted_and_counted(memory_app, tasks, caplog):
    memory_app.add_plugin(misbehaving("task_executor_before_execute", "raises"))
    with running(memory_app):
        for _ in range(7):
            assert tasks[0].add_task(1, timeout=PATIENCE_S).status is TaskStatus.SUCCESS
    (plugin,) = [plugin for plugin in memory_app.plugins if plugin.failures]
    assert (plugin.failures, plugin.muted) == (5, ("task_executor_before_execute",))


def test_a_plugin_that_fails_a_hand_back_does_not_fail_the_task(memory_app, tasks):
    """Parking is a hand-back: the task did not run, so nothing of it can have failed."""
    added = memory_app.add_task("unknown")
    name = memory_app.add_plugin(misbehaving("storage_update", "raises"))
    with running(memory_app):
        tasks[0].add_task(1, timeout=PATIENCE_S)
        assert memory_app.get(added.id).status is TaskStatus.NEW
    memory_app.hooks.remove(name)


def test_an_outcome_of_another_delivery_is_refused(memory_app, tasks):
    seen = []

    def swap(**kw):
        seen.append(kw["model"])
        return seen[0]

    memory_app.add_plugin(plugin_with("broker_remove_finished_task", swap))
    with running(memory_app, concurrency=1):
        assert tasks[0].add_task(1, timeout=PATIENCE_S).result() == 1
        failed = tasks[0].add_task(2, timeout=PATIENCE_S)
    assert "the outcome of another delivery" in failed.error


def test_a_failure_of_a_plugin_is_kept_as_long_as_any(memory_app):
    """The outcome was a success that is not kept; the error in its place is."""
    task = memory_app.task("t", result=False)(lambda: 1)
    memory_app.add_plugin(misbehaving("broker_update", "raises"))
    with running(memory_app):
        failed = task.add_task(timeout=PATIENCE_S)
        assert memory_app.get(failed.id).status is TaskStatus.ERROR


def test_hooks_that_come_while_the_worker_runs_are_heard(memory_app, tasks):
    class Late(Plugin):
        @hookimpl
        async def task_executor_args_replace(self, args):
            await asyncio.sleep(0)
            return {"args": [value + 1 for value in args]}

        @hookimpl
        def worker_add(self, args):
            return {"args": [value * 10 for value in args]}

    with running(memory_app):
        assert tasks[0].add_task(1, timeout=PATIENCE_S).result() == 1
        memory_app.add_plugin(Late())
        assert tasks[0].add_task(1, timeout=PATIENCE_S).result() == 11
        assert tasks[1].add_task(1, timeout=PATIENCE_S).result() == 11


def test_a_plugin_may_have_another_function_run(memory_app, tasks):
    def other(**kw):
        return {"task_func": memory_app.tasks["other"]} if kw["task_func"].name == "function" else None

    memory_app.task("other")(lambda x: f"other {x}")
    memory_app.add_plugin(plugin_with("worker_run_task_before", other))
    with running(memory_app):
        assert tasks[0].add_task(1, timeout=PATIENCE_S).result() == "other 1"
        assert tasks[1].add_task(1, timeout=PATIENCE_S).result() == 1


def test_a_plugin_may_not_have_a_function_of_another_kind_run(memory_app, tasks):
    memory_app.add_plugin(
        plugin_with("worker_run_task_before", lambda **kw: {"task_func": memory_app.tasks["coroutine"]})
    )
    with running(memory_app):
        failed = tasks[0].add_task(1, timeout=PATIENCE_S)
    assert "a plugin put the async task 'coroutine' in the place of the sync task 'function'" in failed.error


def test_a_renamed_task_is_run_as_the_task_of_that_name(memory_app, tasks):
    memory_app.task("other")(lambda x: f"other {x}")
    memory_app.add_plugin(plugin_with("worker_add", lambda **kw: {"name": "other"}))
    with running(memory_app):
        assert tasks[1].add_task(1, timeout=PATIENCE_S).result() == "other 1"


def test_what_hooks_are_given_is_of_the_kind_that_the_documents_name(memory_app, tasks):
    seen = {}

    class Look(Plugin):
        @hookimpl
        def worker_run_task_before(self, task_broker):
            seen["message"] = task_broker

        @hookimpl
        def broker_remove_finished_task(self, model):
            seen["outcome"] = model

    memory_app.add_plugin(Look())
    with running(memory_app):
        tasks[0].add_task(1, timeout=PATIENCE_S)
    assert isinstance(seen["message"], TaskMessage)
    assert isinstance(seen["outcome"], Outcome)
