"""What hooks return takes effect, where semantics.md says that it does."""

import json
from uuid import UUID

import pytest
from qtasks import TaskStatus, hookimpl
from qtasks.app.dead_letters import replay
from qtasks.codec import envelope_of
from qtasks.errors import MalformedMessageError
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


class Sealing:
    """Has the arguments travel in another form, and refuses messages that are in none."""

    @hookimpl
    def broker_write_message(self, model):
        return envelope_of(model.payload, args=[str(model.message.args)], headers={"sealed": True})

    @hookimpl
    def broker_read_message(self, model):
        if not model.message.headers:
            raise BrokenSealError("it has no seal")
        return envelope_of(model.payload, args=json.loads(model.message.args[0]))


class BrokenSealError(MalformedMessageError):
    reason = "seal"


def test_a_plugin_may_write_messages_in_a_form_that_only_it_reads(new_app):
    app = new_app(Sealing())
    task = app.add_task("plain", 7)
    assert task.message.args == ["[7]"]
    with running(app):
        assert task.wait_result(PATIENCE_S).result() == 7
        dead = app.add_task("plain", timeout=PATIENCE_S)
        [replayed] = app.runtime.run_blocking(lambda link: replay(app.runtime, link, [dead.id]))
        again = app.get(replayed.child).wait_result(PATIENCE_S)
    assert (dead.status, again.status, again.args) == (TaskStatus.DEAD, TaskStatus.DEAD, ["[]"])
    assert again.error.startswith("ArgumentsError: ")


def test_what_a_plugin_refuses_to_read_is_a_dead_letter_with_its_reason_and_not_replayed(new_app):
    app = new_app()
    unsealed = app.add_task("plain", 7)
    app.add_plugin(Sealing())
    with running(app):
        refused = unsealed.wait_result(PATIENCE_S)
        [replayed] = app.runtime.run_blocking(lambda link: replay(app.runtime, link, [refused.id]))
    assert (refused.status, refused.error) == (TaskStatus.DEAD, "seal: it has no seal")
    assert (replayed.child, replayed.refused) == (None, "its message cannot be read: it has no seal")


def test_what_is_no_message_any_more_is_not_run(new_app):
    class Junk:
        @hookimpl
        def broker_read_message(self):
            return b"junk"

    app = new_app(Junk())
    with running(app):
        ended = app.add_task("plain", 7, timeout=PATIENCE_S)
    assert (ended.status, ended.error.split(".")[0]) == (
        TaskStatus.ERROR,
        "PluginError: Hook broker_read_message: a plugin answered with a bytes",
    )


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
