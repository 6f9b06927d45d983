"""What QTasks 1.7 could be called with, and with which defaults, name by name."""

import inspect
import logging

import attrs
import pytest
import qtasks.asyncio
from qtasks import QueueConfig, QueueTasks, hookimpl
from qtasks.contexts import AsyncContext, SyncContext
from qtasks.options import TaskOptions
from qtasks.plugins.base import BasePlugin
from qtasks.results import AsyncResult, SyncResult
from qtasks.stats import AsyncStats, InspectStats, SyncStats
from qtasks.testing import running

PATIENCE_S = 20.0

APPLICATIONS = [QueueTasks, qtasks.asyncio.QueueTasks]

SIGNATURES = {
    "add_plugin": "plugin, trigger_names=None, component=None",
    "add_task": "task_name, *args, priority=None, timeout=None, **kwargs",
    "flush_all": "",
    "get": "uuid",
    "include_router": "router",
    "ping": "server=True",
    "run_forever": "loop=None, starter=None, num_workers=4, reset_config=True",
    "stop": "",
}


def written(function, *without):
    """The parameters of a function as one would write them, without annotations."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in {"self", *without}
    ]
    return str(inspect.Signature(parameters))[1:-1]


@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("name", SIGNATURES)
def test_a_method_of_the_application_is_called_as_before(application, name):
    assert written(getattr(application, name)) == SIGNATURES[name]


@pytest.mark.parametrize("application", APPLICATIONS)
def test_an_application_is_made_as_before(application):
    before, _, new = written(application).partition(", *, ")
    assert before == "name='QueueTasks', broker_url=None, broker=None, worker=None, log=None, config=None, events=None"
    assert {"storage_url=None", "storage=None", "global_config=None", "plugins=None"} <= set(new.split(", "))
    app = application(broker_url="memory://")
    attributes = {
        "name",
        "version",
        "config",
        "log",
        "broker",
        "worker",
        "starter",
        "routers",
        "tasks",
        "plugins",
        "events",
    }
    assert attributes <= set(dir(app))
    assert isinstance(app.log, logging.Logger)


def test_a_task_is_declared_with_the_options_of_before():
    before = """priority echo max_time retry retry_on_exc decode tags description generate_handler executor
                middlewares_before middlewares_after"""
    assert set(before.split()) <= {field.name for field in attrs.fields(TaskOptions)}
    assert TaskOptions.build(color="red").extra == {"color": "red"}
    assert written(qtasks.shared_task) == "name=None, *, awaiting=None, **options"


def test_the_settings_have_their_names_and_defaults():
    defaults = {
        "max_tasks_process": 10,
        "running_older_tasks": True,
        "delete_finished_tasks": True,
        "task_default_priority": 0,
        "task_default_decode": None,
        "logs_default_level_server": logging.INFO,
        "logs_default_level_client": logging.INFO,
        "global_config_status_ttl": 20,
        "global_config_status_set_periodic": 17,
        "environ_prefix": "QTASKS_",
    }
    config = QueueConfig()
    assert {name: getattr(config, name) for name in defaults} == defaults
    for name in ("logs_format", "result_time_interval", "result_statuses_end"):
        assert hasattr(config, name)


@pytest.mark.parametrize("kind", [SyncResult, AsyncResult])
def test_a_result_is_waited_for_as_before(kind):
    assert (written(kind.wait_result), written(kind.wait_result_async)) == ("timeout=100.0", "timeout=100.0")


def test_statistics_are_asked_for_as_before(app, async_app):
    assert SyncStats(app)
    assert AsyncStats(async_app)
    assert [written(getattr(InspectStats, name)) for name in ("app", "task", "tasks")] == [
        "json=False",
        "name, json=False",
        "*names, json=False",
    ]


@pytest.mark.parametrize("kind", [SyncContext, AsyncContext])
def test_a_context_has_what_it_had(kind):
    methods = {
        "get_logger",
        "get_config",
        "get_metadata",
        "get_task",
        "sleep",
        "cancel",
        "plugin_error",
        "get_component",
    }
    assert methods <= set(dir(kind))
    assert written(kind.get_metadata) == "cache=True"
    assert written(kind.plugin_error) == "**kw"


def test_a_bound_task_has_its_context_and_its_options(app):
    @app.task(echo=True, priority=3, tags=["a"], color="red")
    def job(self, x):
        ctx = self.ctx
        assert ctx.get_config() is app.config
        assert ctx.get_component("broker") is app.runtime.link.broker
        assert ctx.get_metadata().uuid == ctx.get_metadata(cache=False).uuid == ctx.task_uuid
        assert ctx.get_task(ctx.task_uuid).task_name == ctx.task_name == "job"
        ctx.get_logger().info("running")
        ctx.sleep(0)
        if x:
            self.add_task(x - 1)
        return [self.priority, list(self.tags), self.color, self.echo, self.retry, ctx.generate_handler]

    with running(app):
        assert job.add_task(1, timeout=PATIENCE_S).result() == [3, ["a"], "red", True, None, None]


def test_a_context_ends_its_task(app):
    class Answering(BasePlugin):
        def trigger(self, name, **kwargs):
            if name == "task_executor_run_task_trigger_error":
                return {"result": kwargs["e"].kwargs}
            return None

    @app.task(echo=True)
    def enough(self):
        self.ctx.cancel("enough")

    @app.task(echo=True)
    def handed(self):
        self.ctx.plugin_error(code=7)

    with running(app):
        assert enough.add_task(timeout=PATIENCE_S).cancel_reason == "enough"
        app.add_plugin(Answering(), trigger_names=["task_executor_run_task_trigger_error"])
        assert handed.add_task(timeout=PATIENCE_S).result() == {"code": 7}


def test_a_second_task_of_a_name_is_refused_with_the_words_of_before(app):
    app.task(name="t")(lambda: None)
    with pytest.raises(ValueError, match="Task with name t is already registered!"):
        app.task(name="t")(lambda: None)


def test_calls_are_made_in_every_way_of_before(app):
    @app.task
    def add(x, y=0):
        return x + y

    @app.task
    def other():
        raise AssertionError

    assert app.add_task("add", 1, timeout=0) is None  # there is no worker
    with running(app):
        assert add.add_task(1, y=2, priority=5, timeout=PATIENCE_S).returning == 3
        assert add(1, y=2, timeout=PATIENCE_S).add_task().returning == 3
        assert add(1).bind(2).add_task().wait_result(PATIENCE_S).returning == 3
        assert app.tasks["add"] is add.definition
        assert other.add_task(1, y=2, task_name="add").wait_result(PATIENCE_S).returning == 3
        assert other(1, 2, task_name="add", timeout=PATIENCE_S).add_task().task_name == "add"
        assert app.add_task("add", 1, 2, priority=1).wait_result(PATIENCE_S).returning == 3
        assert app.get(app.add_task("add", 1).uuid).task_name == "add"
    assert app.ping()
    app.flush_all()


def test_a_hook_of_today_and_a_plugin_of_before_stand_side_by_side(app):
    class New:
        @hookimpl
        def task_executor_after_execute_result_replace(self, result):
            return [*result, "new"]

    class Old(BasePlugin):
        def trigger(self, name, **kwargs):
            if name == "task_executor_after_execute_result_replace":
                return {"result": [*kwargs["result"], "old"]}
            return None

    app.add_plugin(Old())
    app.add_plugin(New())

    @app.task
    def job():
        return []

    with running(app):
        assert job.add_task(timeout=PATIENCE_S).result() == ["new", "old"]


def test_the_message_of_a_task_has_the_attributes_of_its_handle(app):
    messages = []

    @app.events.on.task_running
    def note(task_broker):
        messages.append(task_broker)

    @app.task
    def job():
        return None

    with running(app):
        task = job.add_task(timeout=PATIENCE_S)
    [message] = messages
    assert (message.uuid, message.task_name, message.created_at) == (task.uuid, "job", task.created_at)
