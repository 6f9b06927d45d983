"""Events: each of them happens, and listeners of every kind hear it."""

import pytest
from qtasks import QueueTasks
from qtasks.builtins.events import EVENTS
from qtasks.errors import ConfigError
from qtasks.events import AsyncEvents, SyncEvents
from qtasks.message import new_id
from qtasks.testing import running

PATIENCE_S = 20.0


def tell(heard, name):
    def listener(**facts):
        heard.append((name, facts))

    return listener


@pytest.fixture
def heard(app):
    """What the events of the application tell, in order: name and facts."""
    heard = []
    for name in EVENTS:
        getattr(app.events.on, name)(tell(heard, name))
    return heard


def run(app, function):
    task = app.task(function)
    with running(app):
        return task.add_task(timeout=PATIENCE_S)


AROUND = ["starting", "worker_running", "task_running", "task_stopping", "worker_stopping", "stopping"]


@pytest.mark.parametrize("ending", ["success", "error", "cancel"])
def test_every_event_happens_in_its_order(app, heard, ending):
    from qtasks.exc import TaskCancelError

    def job():
        if ending == "error":
            raise ValueError
        if ending == "cancel":
            raise TaskCancelError("enough")

    assert run(app, job).status == ending
    assert [name for name, _ in heard] == [*AROUND[:4], f"task_{ending}", *AROUND[4:]]


def test_listeners_are_given_the_facts_of_the_event(app, heard):
    run(app, lambda: None)
    facts = dict(heard)
    assert {name: tuple(found) for name, found in facts.items()} == {
        name: event.facts for name, event in EVENTS.items() if name in facts
    }
    assert facts["task_running"]["task_func"].name == "<lambda>"
    assert facts["task_success"]["model"].status == "success"
    assert facts["task_running"]["worker"] is facts["worker_running"]["worker"]


def test_an_attempt_that_is_tried_again_is_no_task_error(app, heard):
    runs = []

    @app.task(retry=1, retry_delay=0)
    def job():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError

    with running(app):
        job.add_task(timeout=PATIENCE_S)
    names = [name for name, _ in heard]
    assert (names.count("task_running"), names.count("task_stopping")) == (2, 2)
    assert (names.count("task_error"), names.count("task_success")) == (0, 1)


def test_a_listener_is_a_function_of_either_kind_and_asks_for_what_it_needs(app):
    heard = []

    @app.events.on.worker_running
    def bare():
        heard.append("bare")

    @app.events.on.worker_running()
    async def called(worker):
        heard.append(f"called by {type(worker).__name__}")

    class Listener:
        def method(self, worker):
            heard.append("method")

    app.events.on.worker_running(lambda worker, own="default": heard.append(own))
    listener = Listener()
    assert app.events.on.worker_running(listener.method) == listener.method
    run(app, lambda: None)
    assert heard == ["bare", "called by Worker", "default", "method"]


@pytest.mark.parametrize("kind", [AsyncEvents, SyncEvents])
def test_events_are_handed_to_applications_made_later(kind):
    events, heard = kind(), []
    events.on.starting(lambda: heard.append("before"))
    apps = [QueueTasks(f"app{n}", f"memory://{new_id()}", events=events) for n in (1, 2)]
    events.on.starting(lambda: heard.append("after"))
    for app in apps:
        assert app.events is events
        run(app, lambda: None)
    assert heard == ["before", "after"] * 2


def test_a_listener_that_raises_harms_no_task(app, caplog):
    @app.events.on.task_running
    def broken():
        raise LookupError("not mine")

    assert run(app, lambda: 1).result() == 1
    assert "Plugin 'events.task_running' failed" in caplog.text


def test_a_wrong_name_is_refused_where_it_stands(app):
    with pytest.raises(AttributeError, match=r"There is no event 'task_sucess'. Did you mean 'task_success'\?"):
        _ = app.events.on.task_sucess
    with pytest.raises(AttributeError, match=r"There is no event 'zzz'. There are starting, "):
        _ = app.events.on.zzz
    with pytest.raises(ConfigError, match=r"The event starting has nothing called worker for"):
        app.events.on.starting(lambda worker: None)
    with pytest.raises(ConfigError, match="events: expected a Events, found list"):
        QueueTasks(events=[])


def test_an_application_without_listeners_has_no_plugin_for_them(app):
    assert [plugin.name for plugin in app.plugins if "event" in plugin.name] == []


def test_an_object_that_is_called_asynchronously_is_awaited(app):
    heard = []

    class Listener:
        async def __call__(self, model):
            heard.append(model.status)

    app.events.on.task_success(Listener())
    run(app, lambda: None)
    assert heard == ["success"]
