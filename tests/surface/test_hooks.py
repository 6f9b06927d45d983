"""Every hook fires, when semantics.md says so, with its keywords and in its order."""

import asyncio
import datetime as dt
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from qtasks import TaskStatus
from qtasks.app.starter import Starter
from qtasks.executor.executor import TaskExecutor
from qtasks.hooks import SPECS
from qtasks.message import Delivery, Envelope, Outcome, TaskMessage, new_id
from qtasks.ports import Broker, GlobalConfig, Storage
from qtasks.registry import TaskDefinition
from qtasks.result import Task
from qtasks.stats import SyncStats
from qtasks.testing import World, running
from qtasks.worker.worker import Worker

PATIENCE_S = 20.0


def wait_for(plugin, hook):
    deadline = threading.Event()
    for _ in range(int(PATIENCE_S * 200)):
        if any(name == hook for name, _ in plugin.calls):
            return
        deadline.wait(0.005)
    pytest.fail(f"{hook} did not fire")


REGISTERING = """
import os
from qtasks import hookimpl
QTASKS_PLUGIN_API = 1

def note(hook, kw):
    with open(os.environ["NOTES"], "a") as notes:
        print(hook, *kw, file=notes)
"""

RUNNING = """
from qtasks import QueueTasks
from qtasks.testing import running

app = QueueTasks(broker_url="memory://surface")
task = app.task("t")(lambda: None)
with running(app):
    assert task.add_task(timeout=20)
"""


def registration(directory):
    """Install a plugin with every registration hook, run the command and a task, and read what it has noted."""
    hooks = [hook for hook, spec in SPECS.items() if spec.sync_only]
    source = "".join(f"\n@hookimpl\ndef {hook}(**kw):\n    note('{hook}', kw)\n" for hook in hooks)
    (directory / "registering.py").write_text(REGISTERING + source)
    metadata = directory / "registering-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: registering\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[qtasks]\nregistering = registering\n")
    environment = {**os.environ, "PYTHONPATH": str(directory), "NOTES": str(directory / "notes")}
    qtasks = str(Path(sys.executable).with_name("qtasks"))
    for command in (
        [qtasks, "--help"],
        [qtasks, "-u", "memory://surface", "stats", "inspect", "app"],
        [qtasks, "stats", "inspect", "--help"],
        [sys.executable, "-c", RUNNING],
    ):
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=PATIENCE_S)
    lines = [line.split() for line in (directory / "notes").read_text().splitlines()]
    return [(hook, dict.fromkeys(keywords)) for hook, *keywords in lines]


@pytest.fixture(scope="module")
def calls(tmp_path_factory, watching, new_app):
    """Every hook's calls in the life of one application."""
    plugin = watching()
    app = new_app(plugin, lease=0.3)
    victim = new_id()
    added = app.add_task("plain", 0)

    async def die(link):
        await link.broker.join(victim, "victim", 15)
        await link.broker.take(victim, ["default"], 1, 0)
        await link.broker.release(victim, death="killed by signal 9")

    app.runtime.run_blocking(die)
    with running(app):
        assert added.wait_result(PATIENCE_S).result() == 0
        for name, *args in (("plain", 1), ("letters",), ("failing",)):
            assert app.add_task(name, *args, timeout=PATIENCE_S)
        app.get(added.id)
        app.ping()
        SyncStats(app).inspect()

        async def settings(link):
            await link.global_config.set("name", "key", 1)
            await link.global_config.get("name", "key")
            await link.global_config.get_all("name")
            await link.global_config.get_match("name", "k*")

        app.runtime.run_blocking(settings)
        wait_for(plugin, "global_config_set_status")
    with World(app) as world:
        world.run()
    app.stop()
    app.flush_all()
    return app, [*plugin.calls, *registration(tmp_path_factory.mktemp("registering"))]


def one_of(*kinds):
    return lambda app, value: isinstance(value, kinds)


def none_or(*kinds):
    return lambda app, value: value is None or isinstance(value, kinds)


GIVEN = {
    "qtasks": lambda app, value: value is app,
    "broker": one_of(Broker),
    "storage": one_of(Storage),
    "global_config": one_of(GlobalConfig),
    "worker": one_of(Worker),
    "starter": none_or(Starter),
    "task_executor": one_of(TaskExecutor),
    "task_func": one_of(TaskDefinition),
    "task_broker": one_of(TaskMessage),
    "task_name": lambda app, value: value in app.tasks,
    "name_": one_of(str),
    "key": one_of(str),
    "uuid": one_of(UUID),
    "priority": one_of(int),
    "args": one_of(Sequence),
    "kw": one_of(Mapping),
    "created_at": lambda app, value: value.utcoffset() == dt.timedelta(0),
    "e": one_of(ValueError),
    "trace": one_of(str),
    "model": one_of(Delivery, Envelope, Outcome, TaskMessage),
    "task_status": one_of(TaskStatus),
    "task_data": one_of(Mapping),
    "task": one_of(Task),
    "results": one_of(list),
    "args_info": one_of(Sequence),
    "middlewares_before": none_or(tuple),
    "middlewares_after": none_or(tuple),
    "stats": one_of(SyncStats),
    "call_next": lambda app, value: callable(value),
    "ctx": one_of(TaskExecutor),
}
"""What hooks are given under each keyword. Those that are not here may be anything."""


@pytest.mark.parametrize("hook", SPECS)
def test_the_hook_fires(calls, hook):
    app, noted = calls
    given = [kw for name, kw in noted if name == hook]
    assert given
    for kw in given:
        assert set(kw) == set(SPECS[hook].params)
        wrong = {
            name: value for name, value in kw.items() if not SPECS[hook].sync_only and not _is_right(app, name, value)
        }
        assert wrong == {}


def _is_right(app, name, value):
    return GIVEN[name](app, value) if name in GIVEN else True


# The order, in the words of semantics.md: "When".


@pytest.fixture
def run_one(watching, new_app):
    """Run one task, and return the plugin that has watched it from its adding to after its flush."""

    def run_one(name, *args, around=False):
        plugin = watching(around=around)
        app = new_app(plugin)
        with running(app):
            app.add_task(name, *args, timeout=PATIENCE_S)
            wait_for(plugin, "worker_execute_after")
        return plugin

    return run_one


LIFE = ("starter", "broker_start", "broker_stop", "broker_listen", "storage_start", "storage_stop", "global_config_")
LIFE = (*LIFE, "worker_start", "worker_stop", "storage_delete")

PUBLISH = ["qtasks_add_task_before_broker", "broker_add_before", "storage_add", "broker_write_message"]
PUBLISHED = ["broker_add_after", "qtasks_add_task_after_broker"]
TAKEN = ["broker_read_message", "broker_add_worker", "storage_add_process", "worker_add"]
RUN = ["worker_run_task_before", "worker_execute_before", "task_executor_args_replace", "task_executor_before_execute"]
MIDDLEWARES = ["task_executor_middlewares_execute"]
ENDED = ["task_executor_after_execute", "task_executor_after_execute_result_replace", "task_executor_decode"]
CLOSED = ["task_executor_task_close"]
FLUSH = ["storage_update", "broker_update", "worker_remove_finished_task", "broker_remove_finished_task"]
FLUSHED = ["storage_remove_finished_task", "worker_execute_after"]


@pytest.mark.parametrize("around", [False, True], ids=["in a slot thread", "led by the loop"])
def test_the_order_of_the_hooks_of_a_success(run_one, around):
    plugin = run_one("plain", 1, around=around)
    names = plugin.names(*LIFE)
    assert [name for name in names if name in {*PUBLISH, *PUBLISHED}] == [*PUBLISH, *PUBLISHED]
    outer = ["task_executor_around"] if around else []
    middle = [*RUN, *outer, *MIDDLEWARES, "task_executor_run_task", *ENDED, *CLOSED]
    assert [name for name in names if name not in {*PUBLISH, *PUBLISHED}] == [*TAKEN, *middle, *FLUSH, *FLUSHED]


def test_the_order_of_the_hooks_of_a_generator(run_one):
    names = run_one("letters").names(
        *LIFE, "qtasks", "broker_add", "broker_write", "broker_read", "storage_add", "worker_add"
    )
    assert names == [*RUN, "task_executor_run_task_gen", *ENDED, *CLOSED, *FLUSH, *FLUSHED]


def test_the_order_of_the_hooks_of_a_failure_and_its_retry(watching, new_app):
    plugin = watching(around=False)
    app = new_app(plugin)
    with running(app):
        assert app.add_task("failing", timeout=PATIENCE_S).status is TaskStatus.ERROR
    names = plugin.names(*LIFE, "qtasks", "broker_add_b", "broker_add_a", "broker_write", "storage_add")
    failed = ["task_executor_run_task_trigger_error", *CLOSED, "worker_task_error_retry"]
    once = ["broker_read_message", "broker_add_worker", "worker_add", *RUN, *failed, *FLUSH, *FLUSHED]
    assert names == once + once
    statuses = [kw["kw"]["status"] for hook, kw in plugin.calls if hook == "storage_update"]
    assert statuses == [TaskStatus.RETRY, TaskStatus.ERROR]


def test_a_recovered_delivery_tells_of_it_before_anything_else(watching, new_app):
    plugin = watching(around=False)
    app = new_app(plugin)
    added = app.add_task("plain", 1)

    async def die(link):
        owner = new_id()
        await link.broker.join(owner, "victim", 15)
        await link.broker.take(owner, ["default"], 1, 0)
        await link.broker.release(owner, death="killed by signal 9")

    app.runtime.run_blocking(die)
    plugin.calls.clear()
    with running(app):
        added.wait_result(PATIENCE_S)
    names = plugin.names(*LIFE)
    recovered = ["broker_running_older_tasks", "storage_running_older_tasks"]
    assert names[: len(TAKEN) + 2] == [TAKEN[0], *recovered, *TAKEN[1:]]
    assert names.count("broker_running_older_tasks") == 1


def test_a_task_that_was_not_recovered_does_not_tell_so(run_one):
    assert "broker_running_older_tasks" not in run_one("plain", 1).names()


def test_the_order_of_start_and_stop(watching, new_app):
    plugin = watching()
    app = new_app(plugin)
    with running(app):
        pass
    life = [name for name in plugin.names() if name.endswith(("_start", "_stop"))]
    starts = ["starter_start", "broker_start", "storage_start", "global_config_start", "worker_start"]
    stops = ["worker_stop", "global_config_stop", "storage_stop", "broker_stop", "starter_stop"]
    assert life == [*starts, "broker_listen_start", *stops]


def test_the_middlewares_are_told_with_the_keyword_of_their_side(watching, new_app):
    plugin = watching(around=False)
    app = new_app(plugin)
    app.task("both", middlewares_before=[lambda e: None], middlewares_after=[lambda e: None])(lambda: None)
    with running(app):
        app.add_task("both", timeout=PATIENCE_S)
    given = [kw for hook, kw in plugin.calls if hook == "task_executor_middlewares_execute"]
    assert [(bool(kw["middlewares_before"]), bool(kw["middlewares_after"])) for kw in given] == [
        (True, False),
        (False, True),
    ]


def test_reading_fires_from_the_storage_outwards(watching, new_app):
    plugin = watching()
    app = new_app(plugin)
    added = app.add_task("plain", 1)
    plugin.calls.clear()
    app.get(added.id)
    app.get(new_id())
    assert plugin.names() == ["storage_get", "broker_get", "qtasks_get"] * 2
    assert [kw["task"] is None for hook, kw in plugin.calls if hook == "qtasks_get"] == [False, True]


def test_close_fires_after_an_error_and_after_a_cancellation_too(watching, new_app):
    plugin = watching(around=False)
    app = new_app(plugin)

    @app.task(max_time=0.02)
    async def forever():
        await asyncio.Event().wait()

    with running(app):
        app.add_task("failing", timeout=PATIENCE_S)
        app.add_task("forever", timeout=PATIENCE_S)
    closed = [kw["task_func"].name for hook, kw in plugin.calls if hook == "task_executor_task_close"]
    assert closed == ["failing", "failing", "forever"]


def test_what_a_bulk_publishes_fires_once_for_each(watching, new_app):
    plugin = watching()
    app = new_app(plugin)
    task = app.task("t")(print)
    app.add_tasks([task(number) for number in range(3)])
    assert plugin.names() == [*PUBLISH * 3, *PUBLISHED * 3]


def test_flush_all_leaves_nothing_and_fires_from_the_outside_inwards(watching, new_app):
    plugin = watching()
    app = new_app(plugin)
    with running(app):
        ended = app.add_task("plain", 1, timeout=PATIENCE_S)
    waiting = app.add_task("plain", 2)
    plugin.calls.clear()
    app.flush_all()
    assert plugin.names() == ["qtasks_flush_all", "broker_flush_all", "storage_flush_all"]
    assert app.get(ended.id) is None
    assert app.get(waiting.id) is None
