"""Whatever an implementation does in any hook, it ends as the hook's kind says: generated from the specifications."""

import asyncio
import re

import pytest
from qtasks.errors import PluginError
from qtasks.hooks import SPECS, HookRegistry, Kind, hookimpl

EVERY = pytest.mark.parametrize("hook", SPECS)
TIMED = pytest.mark.parametrize(
    "hook", [h for h, spec in SPECS.items() if spec.kind is not Kind.AROUND and not spec.sync_only]
)
KEYED = pytest.mark.parametrize("hook", [h for h, spec in SPECS.items() if spec.answer])


class Plain:
    pass


def implement(hook, act):
    """Make a plugin that does `act(keywords)` in one hook."""
    plugin = Plain()
    if SPECS[hook].kind is Kind.AROUND:

        async def implementation(**kw):
            return act(kw)
    else:

        def implementation(**kw):
            return act(kw)

    setattr(plugin, hook, hookimpl(implementation))
    return plugin


def fail(_):
    raise ZeroDivisionError("of the plugin")


@EVERY
def test_a_raising_implementation_ends_as_the_kind_says(registry, call, hook):
    registry.add(implement(hook, fail), name="raising")
    kind = SPECS[hook].kind
    if kind is Kind.NOTIFY:
        assert call(hook) is None
        assert registry.plugins()[0].failures == 1
    elif kind is Kind.AROUND:
        with pytest.raises(ZeroDivisionError):
            call(hook)
    else:
        text = re.escape(f"Plugin 'raising': hook {hook} raised ZeroDivisionError: of the plugin")
        with pytest.raises(PluginError, match=text) as raised:
            call(hook)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        assert raised.value.hint


@EVERY
def test_junk_ends_as_the_kind_says(registry, call, hook):
    junk = object()
    registry.add(implement(hook, lambda _: junk), name="junk")
    spec = SPECS[hook]
    if spec.answer:
        with pytest.raises(PluginError, match=f"Plugin 'junk': hook {hook} answered with a object"):
            call(hook)
    else:
        assert call(hook) == {Kind.NOTIFY: None, Kind.COLLECT: [junk]}.get(spec.kind, junk)


@KEYED
def test_an_unknown_key_is_refused_and_the_known_ones_are_named(registry, call, hook):
    registry.add(implement(hook, lambda _: {"nonsense": 1}), name="junk")
    with pytest.raises(PluginError, match=f"hook {hook} answered with the key 'nonsense'") as raised:
        call(hook)
    assert all(key in raised.value.hint for key in SPECS[hook].returns)


@KEYED
def test_every_key_is_taken(registry, call, hook):
    answer = {key: f"new {key}" for key in SPECS[hook].returns}
    registry.add(implement(hook, lambda _: answer))
    values = call(hook)
    assert {key: values[keyword] for key, keyword in SPECS[hook].returns.items()} == answer


@TIMED
def test_a_hanging_implementation_counts_as_raised(call, registry, hook):
    registry.timeout_s = 0.001

    async def hang():
        await asyncio.Event().wait()

    plugin = Plain()
    setattr(plugin, hook, hookimpl(hang))
    registry.add(plugin, name="hanging")
    if SPECS[hook].kind is Kind.NOTIFY:
        assert call(hook) is None
        assert registry.plugins()[0].failures == 1
    else:
        with pytest.raises(PluginError, match=f"'hanging': hook {hook} raised TimeoutError: not done within 0.001 s"):
            call(hook)


@EVERY
def test_every_hook_has_a_component_and_says_when_it_is_called(hook):
    spec = SPECS[hook]
    assert hook.startswith(f"{spec.component}_")
    assert len(spec.doc.split()) >= 5


def test_registration_hooks_collect():
    assert {spec.kind for spec in SPECS.values() if spec.sync_only} == {Kind.COLLECT}


def test_two_registries_know_nothing_of_each_other():
    one, other = HookRegistry(), HookRegistry()
    one.add(implement("worker_start", fail))
    assert not other.dispatch.worker_start
