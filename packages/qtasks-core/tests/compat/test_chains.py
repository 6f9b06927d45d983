"""Chains as in QTasks 1.7, and the prepared calls that they are made of."""

import asyncio

import pytest
from qtasks.errors import ConfigError
from qtasks.testing import running
from qtasks.utils import AsyncTaskUtils, SyncTaskUtils

PATIENCE_S = 20.0


def tasks_of(app):
    @app.task
    def double(x):
        return x * 2

    @app.task
    def add(x, y, z=0):
        return x + y + z

    @app.task
    def fail(x):
        raise ValueError(x)

    return double, add, fail


def test_each_result_is_appended_to_the_arguments_of_the_next_call(app):
    double, add, _ = tasks_of(app)
    with running(app):
        tasks = SyncTaskUtils.chain(double(1), add(10, z=100), double()).get(timeout=PATIENCE_S)
    assert [task.returning for task in tasks] == [2, 112, 224]
    assert [task.args for task in tasks] == [[1], [10, 2], [112]]


def test_a_chain_of_the_awaitable_face_is_awaited(async_app):
    double, add, _ = tasks_of(async_app)

    async def run():
        async with running(async_app):
            return await AsyncTaskUtils.chain(double(1), add(10)).get()

    assert [task.returning for task in asyncio.run(run())] == [2, 12]


def test_a_chain_ends_with_the_first_task_that_fails(app):
    double, _, fail = tasks_of(app)
    with running(app):
        tasks = SyncTaskUtils.chain(double(1), fail(), double()).get(timeout=PATIENCE_S)
    assert [task.status for task in tasks] == ["success", "error"]


def test_a_chain_ends_when_its_time_is_up(app):
    double, _, _ = tasks_of(app)
    tasks = SyncTaskUtils.chain(double(1), double()).get(timeout=0.01)  # there is no worker
    assert [task.status for task in tasks] == ["new"]


def test_a_chain_keeps_the_options_of_its_calls(app):
    double, _, _ = tasks_of(app)
    with running(app):
        tasks = SyncTaskUtils.chain(double(1), double.options(priority=7, headers={"a": 1})()).get(timeout=None)
    assert (tasks[1].priority, tasks[1].extra, tasks[1].a) == (7, {"a": 1}, 1)


@pytest.mark.parametrize("calls", [(), (1,)])
def test_what_is_no_chain_is_refused(calls):
    with pytest.raises(ConfigError, match="A chain takes prepared calls"):
        SyncTaskUtils.chain(*calls)


def test_bind_puts_arguments_behind_those_of_a_prepared_call(app):
    _, add, _ = tasks_of(app)
    prepared = add(1)
    with running(app):
        assert prepared.bind(2, z=3).add_task().wait_result(PATIENCE_S).result() == 6
        assert prepared.bind(4).bind().add_task().wait_result(PATIENCE_S).result() == 5
    assert prepared.call.args == (1,)
