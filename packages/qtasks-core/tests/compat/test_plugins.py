"""Plugins as in QTasks 1.7: `BasePlugin` with its one method, and those that are there by themselves now."""

import pytest
from qtasks.plugins import BasePlugin
from qtasks.testing import running

PATIENCE_S = 20.0


class Older(BasePlugin):
    def __init__(self):
        super().__init__(name="older")
        self.seen = []

    def trigger(self, name, **kwargs):
        self.seen.append(name)
        if name == "task_executor_args_replace":
            return {"kw": {**kwargs["kw"], "y": 10}}
        return None


class Awaited(Older):
    async def trigger(self, name, **kwargs):
        return super().trigger(name, **kwargs)


@pytest.mark.parametrize("kind", [Older, Awaited])
def test_one_method_answers_every_trigger(app, kind):
    plugin = kind()
    assert app.add_plugin(plugin) == "older"

    @app.task
    def add(x, y=0):
        return x + y

    with running(app):
        assert add.add_task(1, timeout=PATIENCE_S).result() == 11
    assert {"starter_start", "broker_add_before", "worker_execute_after", "worker_stop"} <= set(plugin.seen)


def test_a_base_plugin_needs_its_method():
    with pytest.raises(TypeError, match="abstract"):
        BasePlugin()


THERE = ["AsyncDependsPlugin", "SyncStatePlugin", "AsyncRetryPlugin", "SyncTestPlugin"]


@pytest.mark.parametrize("name", THERE)
def test_a_plugin_that_is_there_by_itself_may_be_added_all_the_same(app, name):
    import qtasks.plugins

    kind = getattr(qtasks.plugins, name)
    first = app.add_plugin(kind())
    before = app.plugins
    assert app.add_plugin(kind(), trigger_names=["worker_start"], component="worker") == first
    assert app.plugins == before


def test_a_state_is_handed_in_once_though_its_plugin_was_added(app):
    from qtasks.plugins.states import SyncState, SyncStatePlugin

    class Visits(SyncState):
        pass

    app.add_plugin(SyncStatePlugin())

    @app.task
    def visit(visits: Visits):
        return visits.modify(lambda fields: {"n": fields.get("n", 0) + 1})

    with running(app):
        assert visit.add_task(timeout=PATIENCE_S).result() == {"n": 1}
