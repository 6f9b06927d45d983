"""Who shares an instance, and when it is closed."""

import asyncio
import logging
import threading
import time

import pytest
from qtasks import Depends
from qtasks.testing import running

PATIENCE_S = 20.0

FACES = pytest.mark.parametrize("face", ["def", "async def"])
SHARED = pytest.mark.parametrize("scope", ["worker", "global_config", "storage", "broker"])
KIND = pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "awaited"])


def add_all(app, function, count):
    """The handles of so many calls of a function, all of which have ended well."""
    task = app.task(function)
    with running(app):
        tasks = [task.add_task(number) for number in range(count)]
        return [task.wait_result(PATIENCE_S).result() for task in tasks]


@SHARED
@KIND
@FACES
def test_a_shared_instance_is_opened_once_for_all_and_closed_with_its_owner(bench, face, asynchronous, scope):
    source = bench.source(asynchronous=asynchronous)
    together = threading.Barrier(5, timeout=PATIENCE_S)

    def blocking(number, it=Depends(source, scope)):
        together.wait()
        return [it, len(bench.closed)]

    async def awaiting(number, it=Depends(source, scope)):
        await asyncio.sleep(0)
        return [it, len(bench.closed)]

    results = add_all(bench.app, blocking if face == "def" else awaiting, 10)
    assert results == [["it", 0]] * 10
    assert (bench.opened, bench.closed) == (["it"], ["it"])


def test_shared_instances_are_closed_in_the_order_of_their_owners(bench):
    scopes = ["broker", "storage", "worker", "global_config"]
    sources = {scope: bench.source(scope) for scope in scopes}

    async def task(
        a=Depends(sources["broker"], "broker"),
        b=Depends(sources["storage"], "storage"),
        c=Depends(sources["worker"], "worker"),
        d=Depends(sources["global_config"], "global_config"),
    ):
        return [a, b, c, d]

    assert bench.run(task).result() == ["broker", "storage", "worker", "global_config"]
    assert bench.closed == ["worker", "global_config", "storage", "broker"]


def test_a_shared_instance_may_need_one_that_lives_longer(bench):
    pool = bench.source("pool")

    async def client(pool=Depends(pool, "broker")):
        yield f"client of {pool}"
        bench.closed.append("client")

    def task(it=Depends(client, "worker")):
        return it

    assert bench.run(task).result() == "client of pool"
    assert bench.closed == ["client", "pool"]


def test_each_worker_has_its_own_instance(bench):
    source = bench.source()

    def task(it=Depends(source, "worker")):
        return it

    for _ in range(2):
        assert bench.run(task).result() == "it"
    assert (bench.opened, bench.closed) == (["it", "it"], ["it", "it"])


@KIND
@FACES
def test_tasks_at_the_same_time_do_not_close_the_instances_of_each_other(bench, face, asynchronous):
    """The first ends while the second has just begun to use its own."""
    ended, begun = threading.Event(), threading.Event()

    class Session:
        open = True

    def make():
        session = Session()
        yield session
        session.open = False

    async def make_async():
        session = Session()
        yield session
        session.open = False

    source = make_async if asynchronous else make

    def use(number, session):
        if number == 0:
            assert begun.wait(PATIENCE_S)
        else:
            begun.set()
            assert ended.wait(PATIENCE_S)
        return session.open

    def blocking(number, session=Depends(source)):
        return use(number, session)

    async def awaiting(number, session=Depends(source)):
        return await asyncio.to_thread(use, number, session)

    task = bench.app.task(blocking if face == "def" else awaiting)
    with running(bench.app):
        first, second = task.add_task(0), task.add_task(1)
        assert first.wait_result(PATIENCE_S).result() is True
        ended.set()
        assert second.wait_result(PATIENCE_S).result() is True


def test_a_shared_instance_that_could_not_be_opened_is_tried_again_by_the_next_task(bench):
    fails = iter([True, False])

    def source():
        if next(fails):
            raise ConnectionError("not yet")
        return "it"

    def task(it=Depends(source, "worker")):
        return it

    assert bench.run(task, retry=1, retry_delay=0, retry_on_exc=[ConnectionError]).result() == "it"


@FACES
def test_the_first_to_ask_for_a_shared_instance_may_be_cancelled(bench, face):
    opening, goes_on = threading.Event(), threading.Event()

    def source():
        bench.opened.append("it")
        opening.set()
        assert goes_on.wait(PATIENCE_S)
        return "it"

    def blocking(it=Depends(source, "worker")):
        return it

    async def awaiting(it=Depends(source, "worker")):
        return it

    function = blocking if face == "def" else awaiting
    hasty = bench.app.task("hasty", max_time=0.1)(function)
    patient = bench.app.task("patient")(function)
    with running(bench.app):
        first = hasty.add_task()
        assert opening.wait(PATIENCE_S)
        second = patient.add_task()
        assert first.wait_result(PATIENCE_S).error.startswith("TimeLimitExceeded")
        goes_on.set()
        assert second.wait_result(PATIENCE_S).result() == "it"
    assert bench.opened == ["it"]


def test_a_shared_instance_that_cannot_be_closed_is_logged_and_the_others_are_closed(bench, caplog):
    good, bad = bench.source("good"), bench.source("bad", close=ValueError("stuck"))

    def task(a=Depends(good, "worker"), b=Depends(bad, "worker")):
        return [a, b]

    with caplog.at_level(logging.ERROR, "qtasks.plugins.depends"):
        assert bench.run(task).result() == ["good", "bad"]
    assert bench.closed == ["bad", "good"]
    assert "A shared dependency could not be closed." in caplog.text
    assert "ValueError: stuck" in caplog.text


def test_a_shared_instance_does_not_block_the_event_loop_while_it_opens(bench):
    opening, ticked = threading.Event(), threading.Event()

    def slow():
        opening.set()
        assert ticked.wait(PATIENCE_S)
        return "it"

    async def waits(it=Depends(slow, "worker")):
        return it

    async def ticks():
        ticked.set()

    first, second = bench.app.task(waits), bench.app.task(ticks)
    with running(bench.app):
        waiting = first.add_task()
        assert opening.wait(PATIENCE_S)
        second.add_task()
        assert waiting.wait_result(PATIENCE_S).result() == "it"


def test_a_stop_is_not_held_up_by_a_shared_instance_that_never_opens(bench):
    opening, never = threading.Event(), threading.Event()

    def source():
        opening.set()
        never.wait(PATIENCE_S)

    async def task(it=Depends(source, "worker")):
        return it

    added = bench.app.task(task, max_time=0.1)
    began = time.monotonic()
    with running(bench.app):
        waiting = added.add_task()
        assert opening.wait(PATIENCE_S)
        assert waiting.wait_result(PATIENCE_S).error.startswith("TimeLimitExceeded")
    never.set()
    assert time.monotonic() - began < PATIENCE_S / 2
