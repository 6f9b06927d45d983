"""The plugins of one application: what is registered, what was left out and why, and how they fare.

What a plugin must look like is in `validation.py`, which installed ones are loaded in `discovery.py`.
"""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pluggy

from qtasks.errors import PluginError, did_you_mean
from qtasks.hooks.dispatch import Dispatch, compile_hook
from qtasks.hooks.implementation import Implementation
from qtasks.hooks.kinds import PROJECT
from qtasks.hooks.old_style import OldStyle
from qtasks.hooks.specs import SPECS, Plugin
from qtasks.hooks.validation import check_plugin, select_hooks

if TYPE_CHECKING:
    from qtasks.config import QueueConfig

MUTED_AFTER = 5
"""Failures in a row after which an implementation of a `notify` hook is not called any more."""

_log = logging.getLogger("qtasks.hooks")


@attrs.frozen
class PluginInfo:
    """What people see of a plugin.

    Args:
        name: its name in this application.
        origin: where it comes from: `package.module:Name`.
        distribution: the installed distribution that brings it; None when the application added it.
        version: the version of that distribution.
        state: `skipped` on request, `failed` for a reason of its own.
        reason: why it is not loaded.
        hooks: the hooks that it implements here.
        failures: how often its `notify` hooks raised.
        muted: those of its hooks that are not called any more, for failing too often in a row.
    """

    name: str
    origin: str
    distribution: str | None = None
    version: str | None = None
    state: Literal["loaded", "skipped", "failed"] = "loaded"
    reason: str = ""
    hooks: tuple[str, ...] = ()
    failures: int = 0
    muted: tuple[str, ...] = ()


class _Manager(pluggy.PluginManager):
    """Asks of a plugin only what is its own: its base class has every hook, and pluggy takes 10 µs to look at each."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        inherited = hasattr(Plugin, name) and getattr(type(plugin), name, None) is getattr(Plugin, name)
        if inherited and name not in getattr(plugin, "__dict__", ()):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class HookRegistry:
    """The plugins of one application, and the `dispatch` through which it calls them.

    The implementations of a hook are called in the order of pluggy: the plugin registered last comes first,
    but for `tryfirst` and `trylast`.

    Args:
        guard: `await guard(awaitable, seconds)` awaits for at most so long, then raises TimeoutError.
            None: asynchronous implementations may take as long as they like. May be set later.
        timeout_s: how long one asynchronous implementation may take, seconds. `around` hooks have the
            time limit of the task instead.
    """

    def __init__(
        self, guard: Callable[[Awaitable[Any], float], Awaitable[Any]] | None = None, timeout_s: float = 5.0
    ) -> None:
        self.guard = guard
        self.timeout_s = timeout_s
        self.dispatch = Dispatch()
        self._manager = _Manager(PROJECT)
        self._manager.add_hookspecs(Plugin)
        self._plugins: dict[str, object] = {}
        self._infos: dict[str, PluginInfo] = {}
        self._absent: list[PluginInfo] = []
        self._implementations: dict[pluggy.HookImpl, Implementation] = {}
        self._compile(SPECS)

    def add(
        self,
        plugin: object,
        *,
        name: str | None = None,
        trigger_names: Iterable[str] | None = None,
        component: str | None = None,
        source: PluginInfo | None = None,
    ) -> str:
        """Register a plugin and return its name.

        An object of the class of an entry point (it has `QTASKS_PLUGIN_API`) is not registered a second time: its
        name is that of the first.

        Args:
            plugin: an object or a module with functions marked `@hookimpl`, or an old-style plugin: an
                object whose `trigger(name, **kwargs)`, plain or asynchronous, is called for every hook but
                registration and `around`, and returns None or a dict with the values it replaces.
            name: its name, unique in the application. Default: its attribute `name`, or the name of its
                module or class, numbered when there are several.
            trigger_names: the only hooks to register it for; `"-"` stands for all start and stop hooks.
            component: register it only for hooks of this component; `"worker"` includes `task_executor`.
            source: what people are to see of it. Default: its class or module.

        Raises:
            PluginError: it is not what a plugin has to be; nothing has been registered.
        """
        for known, loaded in self._plugins.items():
            if type(loaded) is type(plugin) and hasattr(type(plugin), "QTASKS_PLUGIN_API"):
                return known
        allowed = select_hooks(trigger_names, component)
        name = self._name_for(plugin, name)
        subject, marked = plugin, self._marked(plugin)
        if not marked and callable(trigger := getattr(plugin, "trigger", None)):
            subject = OldStyle(trigger)
            marked = self._marked(subject)
        hooks = allowed & check_plugin(subject, name, marked)
        if not hooks:
            raise PluginError(
                f"Plugin {name!r} implements no hook"
                + (f" of those asked for (trigger_names={trigger_names}, component={component})." if marked else "."),
                "Mark its methods or functions with @hookimpl (from qtasks import hookimpl).",
            )
        try:
            self._manager.register(subject, name)
        except ValueError as error:  # pluggy compares plugins by ==
            raise PluginError(f"Plugin {name!r} equals one that is registered already.", "Register it once.") from error
        self._plugins[name] = plugin
        self._infos[name] = attrs.evolve(
            source or PluginInfo(name, _origin(plugin)), hooks=tuple(hook for hook in SPECS if hook in hooks)
        )
        self._take_in(name, subject, hooks)
        return name

    def add_brought(self, config: QueueConfig) -> None:
        """Register the plugins that those registered so far bring, as `register_plugins` says.

        Raises:
            PluginError: a plugin raised, or what it brings is none.
        """
        for bringing in map(self._implementations.__getitem__, self._order("register_plugins")):

            def register(
                plugin: object, name: str | None = None, by: PluginInfo = self._infos[bringing.plugin]
            ) -> None:
                own = self._infos[self.add(plugin, name=name)]
                self._infos[own.name] = attrs.evolve(own, distribution=by.distribution, version=by.version)

            bringing.ask({"register": register, "config": config})

    def remove(self, name: str) -> None:
        """Take a plugin out again.

        Raises:
            PluginError: no plugin of this name is registered.
        """
        if name not in self._plugins:
            raise PluginError(f"No plugin {name!r} is registered.", did_you_mean(name, self._plugins))
        del self._plugins[name]
        self._manager.unregister(name=name)
        self._implementations = {impl: own for impl, own in self._implementations.items() if own.plugin != name}
        self._compile(self._infos.pop(name).hooks)

    @contextmanager
    def only(self, names: Collection[str]) -> Iterator[None]:
        """Call no plugins but these for the length of a block; for tests."""
        every = self._implementations
        self._implementations = {impl: own for impl, own in every.items() if own.plugin in names}
        self._compile(SPECS)
        try:
            yield
        finally:
            self._implementations = every | self._implementations  # what was added meanwhile stays
            self._compile(SPECS)

    def leave_out(self, info: PluginInfo) -> None:
        """Remember a plugin that is not loaded, and why."""
        self._absent.append(info)

    def plugins(self) -> list[PluginInfo]:
        """Return all plugins, those that are loaded first, each as it fares now."""
        return [*map(self._fares, self._infos.values()), *self._absent]

    async def limit(self, answer: Awaitable[Any]) -> Any:
        """Await the answer of an asynchronous implementation for at most `timeout_s`."""
        if self.guard is None:
            return await answer
        try:
            return await self.guard(answer, self.timeout_s)
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"not done within {self.timeout_s:g} s (hook_timeout)") from error

    def failed(self, implementation: Implementation, error: Exception) -> None:
        """Log and count the failure of an implementation of a `notify` hook, and mute it when it is one too many."""
        implementation.failures += 1
        implementation.failures_in_a_row += 1
        implementation.muted = implementation.failures_in_a_row >= MUTED_AFTER
        _log.error(
            "Plugin %r failed in the hook %s, %d in a row%s",
            implementation.plugin,
            implementation.spec.name,
            implementation.failures_in_a_row,
            "; the hook is not called any more." if implementation.muted else ".",
            exc_info=error,
        )
        if implementation.muted:
            self._compile([implementation.spec.name])

    def _name_for(self, plugin: object, name: str | None) -> str:
        if isinstance(plugin, type):
            raise PluginError(f"{plugin.__name__} is a class; a plugin was expected.", f"Pass {plugin.__name__}().")
        for taken, known in self._plugins.items():
            if known is plugin:
                raise PluginError(f"This plugin is registered already, as {taken!r}.", "Register it once.")
        if name is None:
            own = getattr(plugin, "name", None)
            base = own if isinstance(own, str) and own else _origin(plugin).rpartition(":")[2]
            numbered = (f"{base}-{number}" for number in itertools.count(2))
            name = next(free for free in itertools.chain([base], numbered) if free not in self._plugins)
        elif name in self._plugins:
            raise PluginError(f"A plugin {name!r} is registered already.", "Give this one another name.")
        return name

    def _marked(self, plugin: object) -> dict[str, pluggy.HookimplOpts]:
        options = {attribute: self._manager.parse_hookimpl_opts(plugin, attribute) for attribute in dir(plugin)}
        return {attribute: given for attribute, given in options.items() if given is not None}

    def _take_in(self, name: str, subject: object, hooks: Iterable[str]) -> None:
        for hook in hooks:
            for impl in self._order(hook):
                if impl.plugin is subject:
                    self._implementations[impl] = Implementation(
                        SPECS[hook], name, impl.function, old_style=isinstance(subject, OldStyle)
                    )
        self._compile(hooks)

    def _order(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return caller.get_hookimpls()[::-1]  # pluggy calls them from the end

    def _compile(self, hooks: Iterable[str]) -> None:
        for hook in hooks:
            found = map(self._implementations.get, self._order(hook))
            live = tuple(own for own in found if own is not None and not own.muted)
            setattr(self.dispatch, hook, compile_hook(SPECS[hook], live, self))
        self.dispatch.async_hooks = frozenset(
            own.spec.name for own in self._implementations.values() if own.is_async and not own.muted
        )

    def _fares(self, info: PluginInfo) -> PluginInfo:
        own = [each for each in self._implementations.values() if each.plugin == info.name]
        return attrs.evolve(
            info,
            failures=sum(each.failures for each in own),
            muted=tuple(each.spec.name for each in own if each.muted),
        )


def _origin(plugin: object) -> str:
    if inspect.ismodule(plugin):
        return plugin.__name__
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}"
