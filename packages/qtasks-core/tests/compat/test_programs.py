"""How programs of QTasks 1.7 make their parts: components, loggers, schemas; how they find application and tasks."""

import logging
import subprocess
import sys
from uuid import UUID

import pytest
import qtasks
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.testing import running

PATIENCE_S = 20.0


def test_components_are_made_by_name_and_url():
    from qtasks.brokers import AsyncRedisBroker, BaseBroker
    from qtasks.configs import SyncRedisGlobalConfig
    from qtasks.storages import AsyncRedisStorage

    url = "redis://localhost:6399/2"
    storage = AsyncRedisStorage(name="older", url=url)
    broker = AsyncRedisBroker("older", url, storage=storage)
    app = qtasks.QueueTasks("older", broker=broker, storage=storage, global_config=SyncRedisGlobalConfig("older", url))
    assert isinstance(app.broker, AsyncRedisBroker)
    assert isinstance(app.broker, BaseBroker)
    assert not isinstance(app.storage, AsyncRedisBroker)
    assert (app.broker.url, app.storage.url) == (url, url)
    assert app.storage.shares(app.broker)


def test_the_class_of_a_component_is_subclassed_as_itself():
    from qtasks.storages import AsyncRedisStorage

    class Mine(AsyncRedisStorage):
        pass

    assert [base.__name__ for base in Mine.__bases__] == ["RedisStorage"]


def test_a_storage_on_another_server_is_given_to_the_application():
    from qtasks.brokers import SyncRedisBroker
    from qtasks.storages import SyncRedisStorage

    storage = SyncRedisStorage(url="redis://elsewhere:6379/0")
    with pytest.raises(
        ConfigError, match=r"(?s)redis://elsewhere:6379/0.*QueueTasks\(broker=broker, storage=storage\)"
    ):
        SyncRedisBroker(storage=storage)


def test_a_logger_is_one_below_qtasks(caplog):
    from qtasks.logs import Logger

    log = Logger("older", subname="part", default_level=logging.WARNING)
    assert qtasks.QueueTasks("older", f"memory://{new_id()}", log=log).log is logging.getLogger("qtasks.older.part")
    log.info("not shown")
    log.warning("shown")
    assert [record.message for record in caplog.records] == ["shown"]


def test_a_schema_is_what_has_its_status(app):
    from qtasks.schemas import Task, TaskStatusErrorSchema, TaskStatusNewSchema, TaskStatusSuccessSchema

    models = []

    class Watching(qtasks.Plugin):
        @qtasks.hookimpl
        def worker_execute_after(self, model):
            models.append(model)

    app.add_plugin(Watching())

    @app.task
    def job():
        return 1

    added = job.add_task()
    assert isinstance(added, TaskStatusNewSchema)
    with running(app):
        done = added.wait_result(PATIENCE_S)
    for each in (done, *models):
        assert isinstance(each, TaskStatusSuccessSchema)
        assert not isinstance(each, TaskStatusErrorSchema)
    assert isinstance(done, Task)
    made = TaskStatusErrorSchema(task_name="job", traceback="")
    assert (made.status, made.task_name, isinstance(made, TaskStatusErrorSchema)) == ("error", "job", True)


def test_the_attributes_of_a_task(app):
    @app.task(priority=3, retry=2, retry_delay=0)
    def job(x, y=0):
        raise ValueError("no")

    with running(app):
        task = job.options(headers={"color": "red"}).add_task(1, y=2).wait_result(PATIENCE_S)
    assert (task.status, task.task_name, task.priority, task.args, task.kwargs) == ("error", "job", 3, [1], {"y": 2})
    assert isinstance(task.uuid, UUID)
    assert task.created_at <= task.updated_at
    assert (task.returning, task.retry, task.cancel_reason) == (None, 0, None)
    assert (task.retry_child_uuid, task.retry_parent_uuid) == (None, None)
    assert "ValueError: no" in task.traceback
    assert (task.color, task.extra) == ("red", {"color": "red"})
    with pytest.raises(AttributeError, match="A task has no attribute 'colour'"):
        _ = task.colour


def test_the_application_is_found(app, monkeypatch):
    from qtasks.router import shared
    from qtasks.runtime import Home
    from qtasks.utils import get_app

    assert get_app() is app
    monkeypatch.setattr(shared, "home", Home())
    with pytest.raises(ConfigError, match="No application was made yet"):
        get_app()


def test_parts_of_an_application_that_runs_nothing(app):
    assert (app.name, app.version, app.starter, app.worker) == ("compat", qtasks.__version__, None, None)
    app.stop()


DJANGO = """
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["shop", "blog"])
django.setup()

from pathlib import Path
from qtasks import QueueTasks
from qtasks.contrib.django import autodiscover_tasks

app = QueueTasks(broker_url="memory://")
autodiscover_tasks(app)
print(app.tasks.names())
Path("blog/tasks.py").write_text("raise LookupError('broken')")
autodiscover_tasks()
"""


def test_the_tasks_of_djangos_applications_are_imported(tmp_path):
    pytest.importorskip("django")
    for name in ("shop", "blog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "shop" / "tasks.py").write_text("from qtasks import shared_task\n@shared_task\ndef pay(): ...")
    run = subprocess.run([sys.executable, "-c", DJANGO], capture_output=True, text=True, check=False)
    assert run.stdout == "['pay']\n", run.stderr
    assert run.stderr.endswith("LookupError: broken\n")


def test_without_django_its_import_says_so(monkeypatch):
    from qtasks.contrib.django import autodiscover_tasks

    monkeypatch.setitem(sys.modules, "django.utils.module_loading", None)
    with pytest.raises(ImportError, match="django"):
        autodiscover_tasks()
