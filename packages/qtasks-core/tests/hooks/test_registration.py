"""What is refused when a plugin is registered, and with which words; what of a plugin is registered."""

import functools
import types

import attrs
import pytest
from qtasks.errors import PluginError
from qtasks.hooks import SPECS, HookRegistry, Plugin, PluginInfo, hookimpl
from qtasks.runtime import drive


def plain(self):
    return None


async def asynchronous(self):
    return None


def generator(self):
    yield


async def asynchronous_generator(self):
    yield


def misspelt_argument(self, task_nam):
    return None


def unrelated_argument(self, zzz):
    return None


def default(self, worker=None):
    return None


def keyword_only(self, *, worker):
    return None


def varying(self, *args):
    return None


async def around_nothing(self, ctx):
    return None


def marked(function, **options):
    """Mark a copy of a function."""
    copy = types.FunctionType(function.__code__, globals(), function.__name__, function.__defaults__)
    return hookimpl(**options)(copy)


def make(**methods):
    return type("Made", (), methods)()


REFUSED = {
    "a misspelt hook": ({"worker_strat": marked(plain)}, "no hook 'worker_strat'", "Did you mean 'worker_start'?"),
    "a hook that resembles none": ({"zzz": marked(plain)}, "there is no hook 'zzz'", ""),
    "a misspelt name of a specification": (
        {"anything": marked(plain, specname="worker_strat")},
        "no hook 'worker_strat'",
        "Did you mean 'worker_start'?",
    ),
    "a misspelt argument": (
        {"worker_add": marked(misspelt_argument)},
        "worker_add asks for 'task_nam'",
        "Did you mean 'task_name'?",
    ),
    "an argument that resembles none": (
        {"worker_start": marked(unrelated_argument)},
        "worker_start asks for 'zzz'",
        "Its arguments are worker.",
    ),
    "an argument with a default": ({"worker_start": marked(default)}, "'worker' has a default", "without a default"),
    "a keyword-only argument": ({"worker_start": marked(keyword_only)}, "argument worker gets nothing", "worker"),
    "varying arguments": ({"worker_start": marked(varying)}, r"argument \*args gets nothing", "worker"),
    "a generator": ({"worker_start": marked(generator)}, "worker_start is a generator", "task_executor_around"),
    "an asynchronous generator": (
        {"worker_start": marked(asynchronous_generator)},
        "worker_start is a generator",
        "Return the answer",
    ),
    "a wrapper": (
        {"worker_start": marked(generator, wrapper=True)},
        "worker_start is a wrapper",
        "task_executor_around",
    ),
    "an old wrapper": (
        {"worker_start": marked(generator, hookwrapper=True)},
        "worker_start is a wrapper",
        "task_executor_around",
    ),
    "an asynchronous registration": (
        {"register_brokers": marked(asynchronous)},
        "register_brokers is `async def`",
        "Write it as `def`",
    ),
    "a plain around": ({"task_executor_around": marked(plain)}, "is a plain function", "async def"),
    "an around without call_next": (
        {"task_executor_around": marked(around_nothing)},
        "no task would run",
        "call_next",
    ),
    "nothing": ({"other": plain}, "implements no hook", "@hookimpl"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_cause_and_the_mend(registry, case):
    methods, cause, mend = REFUSED[case]
    with pytest.raises(PluginError, match=cause) as raised:
        registry.add(make(**methods), name="mine")
    assert "'mine'" in raised.value.message
    assert mend in raised.value.hint
    assert registry.plugins() == []
    assert not any(getattr(registry.dispatch, hook) for hook in SPECS)


def test_an_unmarked_override_is_refused(registry):
    class Forgot(Plugin):
        @hookimpl
        def worker_start(self):
            pass

        def worker_stop(self):
            pass

    with pytest.raises(PluginError, match="worker_stop overrides a hook, but is not marked") as raised:
        registry.add(Forgot())
    assert "@hookimpl" in raised.value.hint


def test_a_class_is_refused(registry):
    with pytest.raises(PluginError, match="Plugin is a class") as raised:
        registry.add(Plugin)
    assert raised.value.hint == "Pass Plugin()."


def test_the_same_plugin_twice_is_refused(registry):
    plugin = make(worker_start=marked(plain))
    registry.add(plugin, name="one")
    with pytest.raises(PluginError, match="registered already, as 'one'"):
        registry.add(plugin, name="two")


def test_a_plugin_that_equals_another_is_refused(registry):
    @attrs.define
    class Equal:
        @hookimpl
        def worker_start(self):
            pass

    registry.add(Equal(), name="one")
    with pytest.raises(PluginError, match="'two' equals one"):
        registry.add(Equal(), name="two")
    assert [info.name for info in registry.plugins()] == ["one"]


def test_a_name_that_is_taken_is_refused(registry):
    registry.add(make(worker_start=marked(plain)), name="mine")
    with pytest.raises(PluginError, match="'mine' is registered already"):
        registry.add(make(worker_start=marked(plain)), name="mine")


def test_plugins_without_a_name_are_called_like_their_class_and_numbered(registry):
    names = [registry.add(make(worker_start=marked(plain))) for _ in range(3)]
    assert names == ["Made", "Made-2", "Made-3"]


def test_a_plugin_may_bring_its_name(registry):
    assert registry.add(make(worker_start=marked(plain), name="own")) == "own"


def test_an_unknown_plugin_cannot_be_removed(registry):
    registry.add(make(worker_start=marked(plain)), name="metrics")
    with pytest.raises(PluginError, match="No plugin 'metric'") as raised:
        registry.remove("metric")
    assert raised.value.hint == "Did you mean 'metrics'?"


def test_a_module_is_a_plugin(registry, call):
    module = types.ModuleType("some.module")
    module.task_executor_decode = hookimpl(lambda result: result + 1)
    assert registry.add(module) == "some.module"
    assert call("task_executor_decode", result=1) == 2


def test_a_plugin_class_inherits_implementations(registry):
    class Base(Plugin):
        @hookimpl
        def worker_start(self):
            pass

    class Derived(Base):
        pass

    registry.add(Derived())
    assert registry.plugins()[0].hooks == ("worker_start",)


def test_an_implementation_may_have_another_name_than_its_hook(registry, call):
    registry.add(make(double=hookimpl(specname="task_executor_decode")(lambda self, result: result * 2)))
    assert call("task_executor_decode", result=4) == 8


def test_an_optional_hook_may_be_unknown(registry):
    registry.add(make(of_next_year=marked(plain, optionalhook=True), worker_start=marked(plain)))
    assert registry.plugins()[0].hooks == ("worker_start",)


def test_an_implementation_may_take_all_keywords(registry, call):
    registry.add(make(task_executor_decode=hookimpl(lambda self, **kw: sorted(kw))))
    assert call("task_executor_decode") == ["result", "task_executor"]


def test_a_decorated_coroutine_function_is_awaited(registry, call):
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    async def decode(self, result):
        return result + 1

    registry.add(make(task_executor_decode=hookimpl(logged(decode))))
    assert call("task_executor_decode", result=1) == 2
    assert registry.dispatch.async_hooks == {"task_executor_decode"}


def test_people_see_where_a_plugin_comes_from(registry):
    registry.add(make(worker_stop=marked(plain), worker_start=marked(plain)), name="mine")
    registry.leave_out(PluginInfo("other", "pkg:x", state="skipped", reason="not wanted"))
    assert registry.plugins() == [
        PluginInfo("mine", f"{__name__}:Made", hooks=("worker_start", "worker_stop")),
        PluginInfo("other", "pkg:x", state="skipped", reason="not wanted"),
    ]


def hooks_of(**selection):
    """Register a plugin that implements every hook, and return those it is called for."""
    registry = HookRegistry()
    registry.add(make(trigger=plain), **selection)
    return set(registry.plugins()[0].hooks)


def test_a_plugin_is_registered_for_the_named_hooks_only():
    assert hooks_of(trigger_names=["worker_add", "storage_get"]) == {"worker_add", "storage_get"}


def test_a_dash_stands_for_start_and_stop():
    assert hooks_of(trigger_names=["-"]) == {
        *("qtasks_stop", "broker_start", "broker_stop", "broker_listen_start", "storage_start", "storage_stop"),
        *("global_config_start", "global_config_stop", "worker_start", "worker_stop", "starter_start", "starter_stop"),
    }
    assert hooks_of(trigger_names=["-", "worker_add"], component="worker") == {
        *("worker_start", "worker_stop", "worker_add"),
    }


def test_the_component_worker_includes_the_executor():
    assert {SPECS[hook].component for hook in hooks_of(component="worker")} == {"worker", "task_executor"}
    assert {SPECS[hook].component for hook in hooks_of(component="storage")} == {"storage"}


@pytest.mark.parametrize(
    ("selection", "cause", "mend"),
    [
        ({"trigger_names": ["worker_ad"]}, "no hook 'worker_ad'", "Did you mean 'worker_add'?"),
        ({"trigger_names": "worker_add"}, "a list of hook names was expected", "trigger_names=['worker_add']"),
        ({"component": "workers"}, "no component 'workers'", "qtasks, broker, storage"),
        (
            {"trigger_names": ["worker_add"], "component": "storage"},
            "implements no hook of those asked for",
            "@hookimpl",
        ),
    ],
)
def test_a_selection_that_selects_nothing_is_refused(selection, cause, mend):
    with pytest.raises(PluginError, match=cause) as raised:
        hooks_of(**selection)
    assert mend in raised.value.hint


def test_a_plugin_that_came_while_only_some_were_called_stays(registry):
    class Heard:
        def __init__(self):
            self.workers = []

        @hookimpl
        def worker_start(self, worker):
            self.workers.append(worker)

    before, meanwhile = Heard(), Heard()
    registry.add(before)
    with registry.only([]):
        registry.add(meanwhile)
        drive(registry.dispatch.worker_start(worker=1))
    drive(registry.dispatch.worker_start(worker=2))
    assert (before.workers, meanwhile.workers) == ([2], [1, 2])
