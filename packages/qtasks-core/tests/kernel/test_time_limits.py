"""`max_time`: what becomes of tasks that take too long."""

import asyncio
import time

import pytest
from kernel.support import PATIENCE_S
from qtasks import TaskStatus, TimeLimitExceeded
from qtasks.errors import ConfigError
from qtasks.testing import running


async def forever():
    await asyncio.Event().wait()


def test_an_async_task_is_cancelled_at_its_limit(app):
    task = app.task("t", max_time=0.02)(forever)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.status is TaskStatus.ERROR
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task t: 0.02 seconds"


def test_a_blocking_task_is_struck_at_its_next_bytecode(app):
    @app.task(max_time=0.02)
    def busy():
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            pass

    with running(app):
        failed = busy.add_task(timeout=PATIENCE_S)
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task busy: 0.02 seconds"


def test_a_blocking_task_that_catches_every_exception_is_struck_all_the_same(app):
    rounds = []

    @app.task(max_time=0.02)
    def persistent():
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                rounds.append(1)
            except Exception:  # noqa: BLE001 - that is the point
                continue
        return "went on"

    with running(app):
        failed = persistent.add_task(timeout=PATIENCE_S)
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task persistent: 0.02 seconds"
    assert "in persistent" in failed.traceback
    assert "qtasks/executor" not in failed.traceback


@pytest.mark.parametrize("kind", ["function", "generator"])
def test_a_blocking_task_that_swallows_the_strike_is_over_time_all_the_same(app, kind):
    def swallow():
        try:
            while True:
                time.monotonic()
        except BaseException:  # noqa: BLE001 - that is the point
            return "not me"

    def function():
        return swallow()

    def generator():
        yield swallow()

    task = app.task("t", max_time=0.02)({"function": function, "generator": generator}[kind])
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task t: 0.02 seconds"


def test_a_blocking_task_may_clean_up_when_its_time_is_over(app):
    cleaned = []

    @app.task(max_time=0.02)
    def careful():
        try:
            while True:
                time.monotonic()
        finally:
            cleaned.append("up")

    with running(app):
        assert careful.add_task(timeout=PATIENCE_S).error.startswith("TimeLimitExceeded")
    assert cleaned == ["up"]


def test_the_time_is_over_for_generators_too(app):
    @app.task(max_time="20ms")
    async def endless():
        while True:
            yield 1
            await asyncio.sleep(0.001)

    with running(app):
        failed = endless.add_task(timeout=PATIENCE_S)
    assert failed.error == "TimeLimitExceeded: Time limit exceeded for task endless: 0.02 seconds"


def test_a_task_within_its_limit_notices_nothing(app):
    @app.task(max_time=PATIENCE_S)
    async def quick():
        await asyncio.sleep(0)
        return "done"

    @app.task(max_time=PATIENCE_S)
    def quick_blocking():
        return "done"

    with running(app):
        assert quick.add_task(timeout=PATIENCE_S).result() == "done"
        assert quick_blocking.add_task(timeout=PATIENCE_S).result() == "done"


def test_a_task_may_clean_up_when_its_time_is_over(app):
    cleaned = []

    @app.task(max_time=0.02)
    async def careful():
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    with running(app):
        assert careful.add_task(timeout=PATIENCE_S).status is TaskStatus.ERROR
    assert cleaned == ["up"]


def test_a_task_that_swallows_the_cancellation_is_over_time_all_the_same(app):
    @app.task(max_time=0.02)
    async def stubborn():
        try:
            await forever()
        except asyncio.CancelledError:
            return "not me"

    with running(app):
        failed = stubborn.add_task(timeout=PATIENCE_S)
    assert failed.error.startswith("TimeLimitExceeded")


def test_the_slot_of_a_stubborn_task_serves_the_next_one_well(app):
    """A swallowed cancellation must not be left behind: TaskGroup would mistake it for its own."""

    @app.task(max_time=0.02)
    async def stubborn():
        try:
            await forever()
        except asyncio.CancelledError:
            return "not me"

    async def fail():
        raise ValueError("mine")

    @app.task
    async def grouped():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await forever()
        except ExceptionGroup as group:
            return [str(error) for error in group.exceptions]

    with running(app, concurrency=1):
        stubborn.add_task(timeout=PATIENCE_S)
        assert grouped.add_task(timeout=PATIENCE_S).result() == ["mine"]


@pytest.mark.parametrize("kind", ["async", "blocking"])
def test_a_limit_can_be_retried_like_any_error(app, kind):
    runs = []

    async def slow_once():
        runs.append(1)
        if len(runs) == 1:
            await forever()
        return len(runs)

    def slow_once_blocking():
        runs.append(1)
        while len(runs) == 1:
            pass
        return len(runs)

    options = {"max_time": 0.02, "retry": 1, "retry_delay": 0, "retry_on_exc": [TimeLimitExceeded]}
    task = app.task("t", **options)(slow_once if kind == "async" else slow_once_blocking)
    with running(app):
        done = task.add_task(timeout=PATIENCE_S)
    assert done.result() == 2
    assert done.record.history[0].error.startswith("TimeLimitExceeded")


def test_the_tasks_own_timeouts_are_its_own(app):
    @app.task(max_time=PATIENCE_S)
    async def patient():
        try:
            async with asyncio.timeout(0.01):
                await forever()
        except TimeoutError:
            return "went on"

    with running(app):
        assert patient.add_task(timeout=PATIENCE_S).result() == "went on"


@pytest.mark.parametrize("max_time", ["soon", -1, float("inf"), [], True])
def test_a_limit_that_is_no_duration_is_refused(memory_app, max_time):
    with pytest.raises(ConfigError, match="max_time"):
        memory_app.task(max_time=max_time)(print)
