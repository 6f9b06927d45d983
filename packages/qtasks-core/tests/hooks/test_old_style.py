"""Plugins with one `trigger(name, **kwargs)`, as QTasks 1.7 had them, run unchanged."""

import pytest
from qtasks.errors import PluginError
from qtasks.hooks import SPECS, Kind


class Old:
    """Notes what it is asked, and gives the answers it was made with."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def answer(self, name, kwargs):
        self.asked.append((name, kwargs))
        return self.answers.get(name)

    def trigger(self, name, **kwargs):
        return self.answer(name, kwargs)


class OldAsync(Old):
    async def trigger(self, name, **kwargs):
        return self.answer(name, kwargs)


class OldPassing(Old):
    """Has a plain `trigger` that passes on what a coroutine function returned."""

    def trigger(self, name, **kwargs):
        return OldAsync.trigger(self, name, **kwargs)


OLD = pytest.mark.parametrize("old", [Old, OldAsync, OldPassing])
SERVED = [hook for hook, spec in SPECS.items() if spec.kind not in {Kind.AROUND, Kind.COLLECT}]
ADDED_SINCE = {
    ("worker_task_error_retry", "e"),
    ("worker_task_error_retry", "model"),
    ("qtasks_add_task_before_broker", "extra"),
}


@pytest.mark.parametrize("hook", SERVED)
def test_it_is_asked_for_every_hook_with_the_keywords_of_old(registry, call, hook):
    plugin = Old()
    registry.add(plugin)
    call(hook)
    keywords = {param: param for param in SPECS[hook].params if (hook, param) not in ADDED_SINCE}
    assert plugin.asked == [(hook, keywords)]


def test_it_is_not_asked_to_register_or_to_wrap(registry):
    registry.add(Old())
    assert set(registry.plugins()[0].hooks) == set(SERVED)


@OLD
def test_its_answers_are_merged_key_by_key(registry, call, old):
    registry.add(old(worker_add={"name": "new", "priority": None}))
    values = call("worker_add", task_name="old", priority=1, args=[1])
    assert (values["task_name"], values["priority"], values["args"]) == ("new", None, [1])


@OLD
def test_it_answers_with_a_dict_also_where_one_value_is_replaced(registry, call, old):
    registry.add(old(task_executor_decode={"result": 2}, worker_task_error_retry={"model": "again"}))
    assert call("task_executor_decode", result=1) == 2
    assert call("worker_task_error_retry") == "again"


@OLD
def test_it_can_replace_a_result_by_none(registry, call, old):
    registry.add(old(task_executor_decode={"result": None}))
    assert call("task_executor_decode", result=1) is None


@OLD
def test_it_can_rescue_a_task(registry, call, old):
    registry.add(old(task_executor_run_task_trigger_error={"result": 5}))
    assert call("task_executor_run_task_trigger_error") == {"result": 5}


@OLD
def test_a_key_that_the_hook_does_not_have_is_refused(registry, call, old):
    registry.add(old(task_executor_decode={"resutl": 2}), name="old")
    with pytest.raises(PluginError, match="'old': hook task_executor_decode answered with the key 'resutl'"):
        call("task_executor_decode")


def test_its_errors_name_it_although_it_passes_coroutines_on(registry, call):
    class Broken:
        def trigger(self, name, **kwargs):
            return self.fail()

        async def fail(self):
            raise ValueError("no")

    registry.add(Broken(), name="broken")
    with pytest.raises(PluginError, match="'broken': hook task_executor_decode raised ValueError: no"):
        call("task_executor_decode")


def test_only_an_asynchronous_trigger_makes_hooks_asynchronous(registry):
    name = registry.add(OldPassing())
    assert registry.dispatch.async_hooks == frozenset()
    registry.remove(name)
    registry.add(OldAsync())
    assert registry.dispatch.async_hooks == set(SERVED)


def test_the_same_object_twice_is_refused(registry):
    plugin = Old()
    registry.add(plugin)
    with pytest.raises(PluginError, match="registered already, as 'Old'"):
        registry.add(plugin)
