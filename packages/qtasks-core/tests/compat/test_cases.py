"""Test cases as in QTasks 1.7: an application in memory, with a worker or without, until it is stopped."""

import asyncio
import threading

import pytest
from qtasks import hookimpl
from qtasks.schemas import TestConfig
from qtasks.tests import AsyncTestCase, SyncTestCase

PATIENCE_S = 20.0


class Doubling:
    @hookimpl
    def task_executor_after_execute_result_replace(self, result):
        return result * 2


@pytest.fixture
def case(app):
    """A test case whose application has the task `one` and a plugin that doubles results."""

    @app.task
    def one():
        return 1

    app.add_plugin(Doubling())
    case = SyncTestCase(app)
    yield case
    case.stop()


def test_a_case_runs_tasks_in_memory_and_restores_the_application(case):
    own = case.app.broker
    case.settings(TestConfig.full())
    case.start_in_background()
    task = case.add_task("one", timeout=PATIENCE_S)
    assert (task.returning, case.get(task.uuid).status) == (2, "success")
    assert case.app.broker is not own
    case.stop()
    assert case.app.broker is own
    assert case.app.get(task.uuid) is None


def test_without_plugins_those_of_the_program_are_not_called(case):
    case.settings(TestConfig.only_worker())
    case.start_in_background()
    assert case.add_task("one", timeout=PATIENCE_S).returning == 1
    case.stop()
    case.settings(TestConfig.only_worker(plugins=True))
    case.start_in_background()
    assert case.add_task("one", timeout=PATIENCE_S).returning == 2


@pytest.mark.parametrize("config", [TestConfig.only_broker(), TestConfig.full_broker()])
def test_without_a_worker_tasks_are_only_added(case, config):
    case.settings(config)
    case.start_in_background()
    assert case.get(case.add_task("one").uuid).status == "new"


def test_retries_are_the_cores_own_and_run_without_plugins(case):
    runs = []

    @case.app.task(retry=1, retry_delay=0)
    def job():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError

    case.settings(TestConfig(worker=True))
    case.start_in_background()
    assert case.add_task("job", timeout=PATIENCE_S).status == "success"


def test_a_start_in_the_foreground_ends_with_the_stop(case):
    started = threading.Event()
    case.app.events.on.worker_running(started.set)
    thread = threading.Thread(target=case.start)
    thread.start()
    assert started.wait(PATIENCE_S)
    assert case.add_task("one", timeout=PATIENCE_S).returning == 2
    case.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_awaitable_face_is_awaited(async_app):
    @async_app.task
    async def one():
        return 1

    async def run():
        case, started = AsyncTestCase(async_app), asyncio.Event()
        await case.start_in_background()
        task = await case.add_task("one", timeout=PATIENCE_S)
        assert (await case.get(task.uuid)).returning == 1
        await case.stop()
        assert await async_app.get(task.uuid) is None

        async_app.events.on.worker_running(started.set)
        foreground = asyncio.create_task(case.start())
        await started.wait()
        assert (await case.add_task("one", timeout=PATIENCE_S)).returning == 1
        await case.stop()
        await foreground

    asyncio.run(run())


def test_the_settings_say_which_parts_take_part():
    flags = {
        "full": TestConfig.full(),
        "only_worker": TestConfig.only_worker(),
        "only_broker": TestConfig.only_broker(plugins=True),
        "full_broker": TestConfig.full_broker(),
    }
    on = {
        name: [part for part in ("worker", "broker", "storage", "global_config", "plugins") if getattr(config, part)]
        for name, config in flags.items()
    }
    assert on == {
        "full": ["worker", "broker", "storage", "global_config", "plugins"],
        "only_worker": ["worker"],
        "only_broker": ["broker", "plugins"],
        "full_broker": ["broker", "storage", "global_config", "plugins"],
    }
