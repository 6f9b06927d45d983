"""What hooks return takes effect, where semantics.md says that it does."""

from uuid import UUID

import pytest
from qtasks import TaskStatus, hookimpl
from qtasks.testing import running

PATIENCE_S = 20.0


@pytest.mark.parametrize(
    ("hook", "answer", "result"),
    [
        ("qtasks_add_task_before_broker", {"args": [7]}, 7),
        ("qtasks_add_task_before_broker", {"task_name": "other", "args": [7]}, "other 7"),
        ("broker_add_worker", {"args": [7]}, 7),
        ("storage_add_process", {"task_data": {"args": [7]}}, 7),
        ("worker_add", {"args": [7]}, 7),
        ("worker_add", {"name": "other"}, "other 1"),
        ("task_executor_args_replace", {"args": [7]}, 7),
        ("task_executor_args_replace", {"args": [], "kw": {"x": 7}}, 7),
        ("task_executor_run_task", 7, 7),
        ("task_executor_after_execute_result_replace", 7, 7),
        ("task_executor_decode", 7, 7),
        ("storage_update", {"result": b"7"}, 7),
        ("broker_update", {"result": b"7"}, 7),
    ],
)
def test_what_a_hook_returns_takes_effect(new_app, hook, answer, result):
    app = new_app()
    app.task("other")(lambda x: f"other {x}")
    plugin = type("Answering", (), {})()

    def implementation(**kw):
        return {**kw["kw"], **answer} if hook in {"storage_update", "broker_update"} else answer

    setattr(plugin, hook, hookimpl(implementation))
    app.add_plugin(plugin)
    with running(app):
        assert app.add_task("plain", 1, timeout=PATIENCE_S).returning == result


def test_a_hook_may_give_a_task_its_id_and_its_priority(new_app):
    app = new_app()
    own = UUID(int=7)

    class Giving:
        @hookimpl
        def storage_add(self):
            return {"uuid": own}

        @hookimpl
        def qtasks_add_task_before_broker(self, priority):
            return {"priority": priority + 5, "extra": {"origin": "here"}}

    app.add_plugin(Giving())
    added = app.add_task("plain", 1, priority=2)
    assert (added.uuid, added.priority, added.message.headers) == (own, 7, {"origin": "here"})


def test_an_error_may_be_answered_with_a_result(new_app):
    app = new_app()

    class Rescuing:
        @hookimpl
        def task_executor_run_task_trigger_error(self, e):
            return {"result": None} if "no" in str(e) else None

    app.add_plugin(Rescuing())
    with running(app):
        done = app.add_task("failing", timeout=PATIENCE_S)
    assert (done.status, done.returning) == (TaskStatus.SUCCESS, None)


def test_a_new_uuid_in_the_worker_is_a_plugin_error(new_app):
    app = new_app()

    class Renaming:
        @hookimpl
        def worker_add(self):
            return {"uuid": UUID(int=7)}

    app.add_plugin(Renaming())
    with running(app):
        failed = app.add_task("plain", 1, timeout=PATIENCE_S)
    assert failed.error.startswith("PluginError: A plugin changed the uuid")


def test_settings_pass_through_the_hooks(new_app):
    app = new_app()

    class Shouting:
        @hookimpl
        def global_config_set(self, value):
            return {"value": value.upper()}

        @hookimpl
        def global_config_get(self, get):
            return f"{get}!"

    app.add_plugin(Shouting())

    async def settings(link):
        await link.global_config.set("name", "key", "quiet")
        return await link.global_config.get("name", "key"), await link.global_config.get_all("name")

    assert app.runtime.run_blocking(settings) == ("QUIET!", {"key": "QUIET"})
