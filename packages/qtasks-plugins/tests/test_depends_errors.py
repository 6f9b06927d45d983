"""What errors of dependencies do, and what dependencies see of the errors of their tasks."""

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import pytest
from qtasks import Depends, TaskStatus

FACES = pytest.mark.parametrize("face", ["def", "async def"])


def get_plain():
    return "plain"


@FACES
@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "awaited"])
def test_a_dependency_that_raises_fails_its_task_with_its_own_error(bench, in_face, face, asynchronous):
    first, second = bench.source("first"), bench.source("second", asynchronous=asynchronous, fail="no database")

    def task(a=Depends(first), b=Depends(second)):
        return bench.closed.append("never")

    failed = bench.run(in_face(face, task))
    assert (failed.status, failed.error) == ("error", "ValueError: no database")
    assert bench.closed == ["first"]


def test_a_dependency_that_raises_is_tried_again_as_the_task_says(bench):
    source = bench.source(fail="no database")

    def task(it=Depends(source)):
        return it

    failed = bench.run(task, retry=2, retry_delay=0, retry_on_exc=[ValueError])
    assert failed.status is TaskStatus.ERROR
    assert bench.opened == ["it"] * 3


def test_a_type_error_of_a_dependency_is_no_argument_left_out(bench):
    def broken():
        raise TypeError("broken")

    def task(it: Annotated[str, Depends(broken)], other: Annotated[str, Depends(get_plain)]):
        return it

    assert bench.run(task).error == "TypeError: broken"


def test_an_argument_left_out_is_told_beside_dependencies(bench):
    def task(x, it=Depends(get_plain)):
        return [x, it]

    failed = bench.run(task)
    assert (failed.status, failed.error) == (
        "dead",
        "ArgumentsError: the arguments do not fit 't0': missing a required argument: 'x'",
    )


@FACES
@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "awaited"])
def test_a_dependency_is_closed_when_its_task_raises(bench, in_face, face, asynchronous):
    source = bench.source(asynchronous=asynchronous)

    def task(it=Depends(source)):
        raise ValueError("of the task")

    assert bench.run(in_face(face, task)).error == "ValueError: of the task"
    assert bench.closed == ["it"]


@FACES
@pytest.mark.parametrize("manager", [contextmanager, asynccontextmanager])
def test_a_dependency_sees_the_error_of_its_task_and_cannot_swallow_it(bench, in_face, face, manager):
    seen = []

    def swallow():
        try:
            yield
        except ValueError as error:
            seen.append(str(error))

    async def swallow_async():
        try:
            yield
        except ValueError as error:
            seen.append(str(error))

    source = manager(swallow if manager is contextmanager else swallow_async)

    def task(it=Depends(source)):
        raise ValueError("of the task")

    failed = bench.run(in_face(face, task))
    assert (failed.status, failed.error) == ("error", "ValueError: of the task")
    assert seen == ["of the task"]


@FACES
def test_a_dependency_that_cannot_be_closed_fails_its_task_and_the_others_are_closed(bench, in_face, face):
    outer, inner = bench.source("outer"), bench.source("inner", close=ValueError("not committed"))

    def task(a=Depends(outer), b=Depends(inner)):
        return "done"

    failed = bench.run(in_face(face, task))
    assert (failed.status, failed.error) == ("error", "ValueError: not committed")
    assert bench.closed == ["inner", "outer"]


@FACES
@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "awaited"])
def test_a_dependency_is_closed_to_its_end_when_the_time_of_its_task_is_up(bench, face, asynchronous):
    async def awaited():
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            bench.closed.append("it")

    def plain():
        try:
            yield
        finally:
            time.sleep(0.01)
            bench.closed.append("it")

    def blocking(it=Depends(awaited if asynchronous else plain)):
        while True:
            time.sleep(0.001)

    async def awaiting(it=Depends(awaited if asynchronous else plain)):
        await asyncio.Event().wait()

    failed = bench.run(blocking if face == "def" else awaiting, max_time=0.1)
    assert failed.error.startswith("TimeLimitExceeded")
    assert bench.closed == ["it"]


def test_the_time_limit_ends_a_dependency_that_takes_too_long_to_open(bench):
    def slow():
        while True:
            time.sleep(0.001)

    def task(it=Depends(slow)):
        return it

    assert bench.run(task, max_time=0.1).error.startswith("TimeLimitExceeded")
