"""The product page on components: each of them is replaceable, and plugins bring more."""

import sys
from pathlib import Path

import pytest
from qtasks import QueueTasks
from qtasks.app.starter import Starter
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.executor.executor import TaskExecutor
from qtasks.message import new_id
from qtasks.ports import BackendContext
from qtasks.testing import running
from qtasks.worker.worker import Worker

PATIENCE_S = 20.0


def test_a_component_is_replaceable(component):
    name, app, was_used = component
    task = app.task("t", **({"executor": MyTaskExecutor} if name == "task_executor" else {}))(lambda: "ran")
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == "ran"
        app.runtime.run_blocking(lambda link: link.global_config.set("name", "key", 1))
    assert was_used()


USED = set()


class MyBroker(MemoryBroker):
    async def take(self, *args, **options):
        USED.add("broker")
        return await super().take(*args, **options)


class MyStorage(MemoryStorage):
    def shares(self, broker):
        USED.add("storage")
        return super().shares(broker)


class MyGlobalConfig(MemoryGlobalConfig):
    async def set(self, *args):
        USED.add("global_config")
        await super().set(*args)


class MyWorker(Worker):
    async def run(self):
        USED.add("worker")
        await super().run()


class MyStarter(Starter):
    async def serve(self):
        USED.add("starter")
        await super().serve()


class MyTaskExecutor(TaskExecutor):
    async def run_task(self):
        USED.add("task_executor")
        return await super().run_task()


@pytest.fixture(params=["broker", "worker", "storage", "global_config", "starter", "task_executor"])
def component(request):
    """The name of a component, an application with one of our own, and whether ours was used."""
    USED.clear()
    url, context = f"memory://{new_id()}", BackendContext(namespace="surface")
    own = {
        "broker": lambda: {"broker": MyBroker.from_url(url, context)},
        "worker": lambda: {"worker": MyWorker},
        "storage": lambda: {"storage": MyStorage.from_url(url, context)},
        "global_config": lambda: {"global_config": MyGlobalConfig.from_url(url, context)},
        "starter": lambda: {"starter": MyStarter},
        "task_executor": dict,
    }[request.param]()
    place = {} if "broker" in own else {"broker_url": url}
    return request.param, QueueTasks("surface", **place, **own), lambda: {request.param} == USED


def test_a_plugin_brings_a_broker_for_a_scheme(tmp_path, monkeypatch):
    Path("my_plugin.py").write_text(
        "from qtasks import hookimpl\n"
        "from qtasks.backends.memory.broker import MemoryBroker\n"
        "QTASKS_PLUGIN_API = 1\n"
        "class MyBroker(MemoryBroker):\n"
        "    pass\n"
        "@hookimpl\n"
        "def register_brokers(register):\n"
        "    register('mine', 'my_plugin:MyBroker')\n"
    )
    metadata = Path("my_plugin-1.0.dist-info")
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[qtasks]\nmine = my_plugin\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    app = QueueTasks("surface", broker_url="mine://somewhere", storage_url=f"memory://{new_id()}")
    assert type(app.broker).__name__ == "MyBroker"
    task = app.task("t")(lambda: "ran")
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).result() == "ran"
    sys.modules.pop("my_plugin")
