"""What becomes of answers and exceptions, kind by kind, and in what order plugins are asked."""

import asyncio
import logging

import pytest
from qtasks.errors import ConfigError, PluginError
from qtasks.hooks import SPECS, hookimpl
from qtasks.hooks.registry import MUTED_AFTER


class Counter:
    """Notes each start of a worker; raises while `broken`."""

    def __init__(self, broken=False):
        self.broken = broken
        self.seen = []

    @hookimpl
    def worker_start(self, worker):
        self.seen.append(worker)
        if self.broken:
            raise ValueError("no")


class Add:
    """Puts a letter behind the result, and behind the first argument."""

    def __init__(self, letter):
        self.letter = letter

    @hookimpl
    def task_executor_run_task(self, result):
        return result + self.letter

    @hookimpl
    async def task_executor_args_replace(self, args):
        return {"args": [args[0] + self.letter]}


class AddFirst(Add):
    @hookimpl(tryfirst=True)
    def task_executor_run_task(self, result):
        return result + self.letter


class AddLast(Add):
    @hookimpl(trylast=True)
    def task_executor_run_task(self, result):
        return result + self.letter


class Wrap:
    def __init__(self, letter):
        self.letter = letter

    @hookimpl
    async def task_executor_around(self, call_next, ctx):
        return self.letter + await call_next() + ctx


class Rescue:
    def __init__(self, answer):
        self.answer = answer
        self.asked = False

    @hookimpl
    def task_executor_run_task_trigger_error(self, e):
        self.asked = True
        return self.answer


def test_a_hook_without_implementations_is_false(registry):
    assert not any(getattr(registry.dispatch, hook) for hook in SPECS)
    assert registry.dispatch.async_hooks == frozenset()


def test_a_hook_without_implementations_is_called_like_any_other(registry, call):
    async def function():
        return "its own"

    assert call("worker_start") is None
    assert call("task_executor_decode", task_executor=0, result="as it was") == "as it was"
    assert call("storage_add", storage=0, uuid="u", task_status="new") == {"uuid": "u", "task_status": "new"}
    assert call("task_executor_run_task_trigger_error", task_executor=0, e=ValueError()) is None
    assert call("register_brokers", register=print) == []
    assert call("task_executor_around", call_next=function, ctx=0) == "its own"


def test_a_plugin_that_is_removed_is_not_called_any_more(registry):
    name = registry.add(Counter())
    registry.remove(name)
    assert not registry.dispatch.worker_start
    assert registry.plugins() == []


def test_a_hook_of_plain_functions_never_suspends(registry):
    registry.add(Counter())
    with pytest.raises(StopIteration):
        registry.dispatch.worker_start(worker=1).send(None)


def test_the_hooks_with_asynchronous_implementations_are_known(registry):
    name = registry.add(Add("a"))
    assert registry.dispatch.async_hooks == {"task_executor_args_replace"}
    registry.remove(name)
    assert registry.dispatch.async_hooks == frozenset()


def test_notify_calls_all_although_one_raises(registry, call):
    first, last = Counter(), Counter()
    for plugin in (first, Counter(broken=True), last):
        registry.add(plugin)
    assert call("worker_start", worker=7) is None
    assert first.seen == last.seen == [7]


def test_a_failure_is_logged_with_plugin_and_hook(registry, call, caplog):
    registry.add(Counter(broken=True), name="broken")
    call("worker_start")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("qtasks.hooks", logging.ERROR)
    assert "'broken' failed in the hook worker_start" in record.message
    assert "ValueError: no" in caplog.text


def test_an_implementation_is_muted_after_five_failures_in_a_row(registry, call):
    broken, sound = Counter(broken=True), Counter()
    registry.add(broken, name="broken")
    registry.add(sound)
    for _ in range(MUTED_AFTER + 2):
        call("worker_start")
    assert len(broken.seen) == MUTED_AFTER == 5
    assert len(sound.seen) == MUTED_AFTER + 2
    info = registry.plugins()[0]
    assert (info.name, info.failures, info.muted) == ("broken", MUTED_AFTER, ("worker_start",))


def test_a_hook_whose_only_implementation_is_muted_is_false(registry, call):
    registry.add(Counter(broken=True))
    for _ in range(MUTED_AFTER):
        call("worker_start")
    assert not registry.dispatch.worker_start


def test_a_muted_implementation_makes_its_hook_asynchronous_no_more(registry, call):
    class Broken:
        @hookimpl
        async def worker_start(self):
            raise ValueError("no")

    registry.add(Counter())
    registry.add(Broken())
    assert registry.dispatch.async_hooks == {"worker_start"}
    for _ in range(MUTED_AFTER):
        call("worker_start")
    assert registry.dispatch.async_hooks == frozenset()


def test_failures_that_are_not_in_a_row_mute_nothing(registry, call):
    plugin = Counter(broken=True)
    registry.add(plugin)
    for _ in range(3):
        for plugin.broken in (True, True, True, True, False):
            call("worker_start")
    assert len(plugin.seen) == 15
    assert registry.plugins()[0].failures == 12


def test_a_plugin_that_is_registered_again_is_called_again(registry, call):
    plugin = Counter(broken=True)
    name = registry.add(plugin)
    for _ in range(MUTED_AFTER):
        call("worker_start")
    registry.remove(name)
    registry.add(plugin)
    call("worker_start")
    assert len(plugin.seen) == MUTED_AFTER + 1


def test_notify_lets_pass_what_is_no_exception(registry, call):
    class Stop:
        @hookimpl
        def worker_start(self):
            raise KeyboardInterrupt

    registry.add(Stop())
    with pytest.raises(KeyboardInterrupt):
        call("worker_start")


def test_replace_hands_the_value_from_one_to_the_next_the_last_registered_first(registry, call):
    for letter in "abc":
        registry.add(Add(letter))
    assert call("task_executor_run_task", result="") == "cba"


def test_tryfirst_and_trylast_move_an_implementation_to_the_ends(registry, call):
    for plugin in (AddFirst("f"), Add("a"), AddLast("l"), Add("b")):
        registry.add(plugin)
    assert call("task_executor_run_task", result="") == "fbal"


def test_replace_of_several_values_gives_back_all_that_may_be_replaced(registry, call):
    for letter in "ab":
        registry.add(Add(letter))
    values = call("task_executor_args_replace", args=[""], kw={"x": 1})
    assert values == {"args": ["ba"], "kw": {"x": 1}}


def test_none_keeps_the_value(registry, call):
    class Keep:
        @hookimpl
        def task_executor_run_task(self):
            return None

        @hookimpl
        def task_executor_args_replace(self, args):
            return None

    registry.add(Keep())
    assert call("task_executor_run_task", result=5) == 5
    assert call("task_executor_args_replace", args=[5])["args"] == [5]


def test_a_falsy_value_replaces(registry, call):
    class Zero:
        @hookimpl
        def task_executor_run_task(self, result):
            return 0

    registry.add(Zero())
    assert call("task_executor_run_task", result=5) == 0


@pytest.mark.parametrize(
    ("hook", "key", "keyword"),
    [("worker_add", "name", "task_name"), ("global_config_set", "name", "name_")],
)
def test_a_key_may_be_called_unlike_the_keyword_it_replaces(registry, call, hook, key, keyword):
    class Rename:
        def __init__(self, mark):
            setattr(self, hook, hookimpl(lambda **kw: {key: kw[keyword] + mark}))

    registry.add(Rename("!"))
    registry.add(Rename("?"))
    values = call(hook)
    assert values[keyword] == f"{keyword}?!"
    assert set(values) == set(SPECS[hook].returns.values())


def test_exceptions_of_qtasks_pass_as_they_are(registry, call):
    class Refuse:
        @hookimpl
        def broker_add_before(self, model):
            raise ConfigError("not on Sundays")

    registry.add(Refuse())
    with pytest.raises(ConfigError, match=r"^not on Sundays$"):
        call("broker_add_before")


def test_the_first_answer_wins_and_the_others_are_not_asked(registry, call):
    never, winner, silent = Rescue({"result": 1}), Rescue({"result": 2}), Rescue(None)
    for plugin in (never, winner, silent):
        registry.add(plugin)
    assert call("task_executor_run_task_trigger_error") == {"result": 2}
    assert (silent.asked, never.asked) == (True, False)


def test_none_can_be_the_result_of_a_rescue(registry, call):
    registry.add(Rescue({"result": None}))
    assert call("task_executor_run_task_trigger_error") == {"result": None}


@pytest.mark.parametrize("answer", [None, {}])
def test_without_an_answer_the_error_stands(registry, call, answer):
    registry.add(Rescue(answer))
    assert call("task_executor_run_task_trigger_error") is None


def test_collect_returns_all_answers_that_are_not_none(registry, call):
    class Register:
        def __init__(self, scheme):
            self.scheme = scheme

        @hookimpl
        def register_brokers(self, register):
            return register(self.scheme, "package.module:Broker")

    for scheme in ("a", "b", "c"):
        registry.add(Register(scheme))
    brokers = {}
    answers = call("register_brokers", register=lambda scheme, target: brokers.setdefault(scheme, target) and None)
    assert answers == []
    assert list(brokers) == ["c", "b", "a"]
    assert call("register_brokers", register=lambda scheme, target: scheme if scheme != "b" else None) == ["c", "a"]


def test_around_wraps_the_call_the_last_registered_outermost(registry):
    for letter in "ab":
        registry.add(Wrap(letter))

    async def function():
        return "-"

    assert asyncio.run(registry.dispatch.task_executor_around(function, "c")) == "ba-cc"


def test_the_error_of_the_task_passes_through_around_as_it_is(registry):
    registry.add(Wrap("a"))

    async def function():
        raise LookupError("the task's own")

    with pytest.raises(LookupError, match=r"^the task's own$"):
        asyncio.run(registry.dispatch.task_executor_around(function, "c"))


def test_around_has_no_time_limit_of_its_own(registry):
    registry.timeout_s = 0
    registry.add(Wrap("a"))

    async def function():
        await asyncio.sleep(0)
        return "-"

    assert asyncio.run(registry.dispatch.task_executor_around(function, "c")) == "a-c"


def test_without_a_guard_an_asynchronous_implementation_runs_without_an_event_loop(registry):
    registry.guard = None
    registry.add(Add("a"))
    with pytest.raises(StopIteration) as stop:
        registry.dispatch.task_executor_args_replace(task_executor=0, args=[""], kw={}, args_info=()).send(None)
    assert stop.value.value["args"] == ["a"]


def test_an_own_timeout_keeps_its_words(registry, call):
    class Slow:
        @hookimpl
        async def broker_add_before(self):
            raise TimeoutError("the vault is slow")

    registry.add(Slow())
    with pytest.raises(PluginError, match="raised TimeoutError: the vault is slow"):
        call("broker_add_before")
