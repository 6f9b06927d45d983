"""What a plugin must look like, checked when it is registered: every error says where it is and how to mend it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qtasks.errors import PluginError, did_you_mean
from qtasks.hooks.implementation import is_async
from qtasks.hooks.kinds import COMPONENTS, HookSpec, Kind
from qtasks.hooks.specs import SPECS, Plugin

START_STOP = "-"
"""Stands for all start and stop hooks in `trigger_names`."""


def select_hooks(trigger_names: Iterable[str] | None, component: str | None) -> frozenset[str]:
    """Return the hooks that a plugin is registered for.

    Args:
        trigger_names: the names of hooks; `"-"` stands for all start and stop hooks, None for all hooks.
        component: the prefix of the hooks' names; `"worker"` includes `task_executor`. None for all.

    Raises:
        PluginError: a name is not known.
    """
    if isinstance(trigger_names, str):
        raise PluginError(
            f"trigger_names is {trigger_names!r}; a list of hook names was expected.",
            f"Write trigger_names=[{trigger_names!r}].",
        )
    if component is not None and component not in COMPONENTS:
        raise PluginError(f"There is no component {component!r}.", f"The components are {', '.join(COMPONENTS)}.")
    selected: set[str] = set(SPECS) if trigger_names is None else set()
    for name in trigger_names or ():
        if name == START_STOP:
            selected.update(hook for hook in SPECS if hook.endswith(("_start", "_stop")))
        elif name in SPECS:
            selected.add(name)
        else:
            raise PluginError(f"There is no hook {name!r}.", did_you_mean(name, SPECS))
    components = {component, "task_executor"} if component == "worker" else {component}
    return frozenset(hook for hook in selected if component is None or SPECS[hook].component in components)


def check_plugin(plugin: object, name: str, marked: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Check all implementations of a plugin, and return the hooks that it implements.

    Args:
        plugin: an object or a module.
        name: the plugin's name, for the errors.
        marked: the attributes that carry `@hookimpl`, with the options given there.

    Raises:
        PluginError: an implementation is misspelt, not marked, or has a signature that no hook can call.
    """
    hooks = set()
    for attribute, options in marked.items():
        hook = options.get("specname") or attribute
        where = f"Plugin {name!r}: {attribute}"
        if hook in SPECS:
            hooks.add(hook)
            _check_function(where, SPECS[hook], getattr(plugin, attribute), options)
        elif not options.get("optionalhook"):
            raise PluginError(f"{where} is marked @hookimpl, but there is no hook {hook!r}.", did_you_mean(hook, SPECS))
    if isinstance(plugin, Plugin):
        for hook in SPECS:
            if hook not in marked and getattr(type(plugin), hook) is not getattr(Plugin, hook):
                raise PluginError(
                    f"Plugin {name!r}: {hook} overrides a hook, but is not marked.",
                    "Put @hookimpl (from qtasks import hookimpl) above it.",
                )
    return hooks


def _check_function(where: str, spec: HookSpec, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{where} is a wrapper.", "Implement task_executor_around(call_next, ctx) instead.")
    innermost = inspect.unwrap(function)
    if inspect.isgeneratorfunction(innermost) or inspect.isasyncgenfunction(innermost):
        raise PluginError(
            f"{where} is a generator.",
            "Return the answer instead of yielding it; to act around a task implement task_executor_around.",
        )
    if spec.sync_only and is_async(function):
        raise PluginError(
            f"{where} is `async def`, but registration hooks run without an event loop.", "Write it as `def`."
        )
    if spec.kind is Kind.AROUND and not is_async(function):
        raise PluginError(f"{where} is a plain function.", "Write it as `async def`: it awaits call_next().")
    _check_parameters(where, spec, inspect.signature(function).parameters)


def _check_parameters(where: str, spec: HookSpec, params: Mapping[str, inspect.Parameter]) -> None:
    for param in params.values():
        if param.kind is param.VAR_KEYWORD:
            return  # takes all, and is always the last
        if param.kind is not param.POSITIONAL_OR_KEYWORD:
            raise PluginError(
                f"{where}: hooks are called by name, so the argument {param} gets nothing.",
                f"Ask for any of {', '.join(spec.params)} as plain arguments, or for all of them with **kw.",
            )
        if param.name not in spec.params:
            raise PluginError(
                f"{where} asks for {param.name!r}, which the hook {spec.name} does not have.",
                did_you_mean(param.name, spec.params) or f"Its arguments are {', '.join(spec.params)}.",
            )
        if param.default is not param.empty:
            raise PluginError(
                f"{where}: the argument {param.name!r} has a default, and would never get anything else.",
                f"Write {param.name} without a default.",
            )
    if spec.kind is Kind.AROUND and "call_next" not in params:
        raise PluginError(f"{where} does not take call_next: no task would run.", "Add the argument call_next.")
