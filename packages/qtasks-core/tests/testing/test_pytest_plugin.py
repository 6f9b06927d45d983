"""The fixture of pytest, as users' tests get it: from the installed distribution, without any plugin of others."""

import subprocess
import sys

import pytest

SHOP = """
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks

app = QueueTasks("shop", "memory://never")
async_app = AsyncQueueTasks("async_shop", "memory://never")


@app.task
def order(item):
    mail.options(delay="1h").add_task(item)


@app.task
def mail(item):
    return f"sent {item}"


@async_app.task
async def price(item):
    return len(item)
"""

TESTS = """
import asyncio

from shop import app, async_app, mail, order, price


def test_a_blocking_application(qtasks_world):
    world = qtasks_world(app)
    order.add_task("tea")
    world.run()
    world.assert_enqueued("mail", "tea")
    [sent] = world.advance("1h")
    assert sent.result() == "sent tea"


def test_an_awaitable_application(qtasks_world):
    async def scenario():
        world = qtasks_world(async_app)
        await price.add_task("tea")
        return [task.result() for task in await world.run()]

    assert asyncio.run(scenario()) == [3]


def test_two_worlds(qtasks_world):
    first, second = qtasks_world(app), qtasks_world(async_app)
    order.add_task("tea")
    second.assert_enqueued(order, count=0)
    first.assert_enqueued(order, count=1)


def test_each_test_begins_empty(qtasks_world):
    assert qtasks_world(app).added == []


def test_a_failing_assert(qtasks_world):
    world = qtasks_world(app)
    mail.add_task("tea")
    world.assert_enqueued(mail, "coffee")
"""

LOOPED = """
import pytest
from shop import async_app, price


async def test_a_test_on_a_loop(qtasks_world):
    world = qtasks_world(async_app)
    await price.options(delay="1h").add_task("tea")
    assert await world.run() == []
    [task] = await world.advance("1h")
    assert task.result() == 3
"""

ASYNC_CONFTEST = """
import asyncio
import inspect

def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        asyncio.run(pyfuncitem.obj(pyfuncitem.funcargs["qtasks_world"]))
        return True
"""


@pytest.fixture
def pytest_run(tmp_path):
    """Write tests beside the shop, and run them in a process of its own."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=50)
        return done.stdout + done.stderr

    return run


def test_the_fixture_gives_each_face_its_world(pytest_run):
    told = pytest_run(test_shop=TESTS)
    assert "4 passed" in told
    assert "1 failed" in told
    assert "mail('coffee') was to be enqueued at least once, and was 0 times. Enqueued was:" in told
    assert "E         mail('tea'): new" in told


def test_the_world_is_awaited_in_whatever_runs_tests_on_a_loop(pytest_run):
    assert "1 passed" in pytest_run(conftest=ASYNC_CONFTEST, test_looped=LOOPED)


def test_a_run_that_does_not_use_it_pays_nothing(pytest_run, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins may load what they like
    look = """
import sys

def test_nothing_is_loaded():
    assert "qtasks.testing.pytest_plugin" in sys.modules
    assert not {"asyncio", "click", "msgspec", "qtasks.app", "qtasks.testing.world"} & set(sys.modules)
"""
    assert "1 passed" in pytest_run("-p", "qtasks.testing.pytest_plugin", test_look=look)


def test_pytest_finds_the_fixture_by_itself_and_only_here(pytest_run):
    assert "1 passed" in pytest_run(test_look="def test_there(qtasks_world): pass")
    assert "fixture 'qtasks_world' not found" in pytest_run("-p", "no:qtasks_world")
