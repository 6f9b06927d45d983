"""One function of a plugin for one hook: how it is called, what its answers may be, and how it has fared."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from qtasks.errors import PluginError, QTasksError
from qtasks.hooks.kinds import HookSpec


class Implementation:
    """An implementation, ready to be called.

    Attributes:
        call: calls the function with those of the hook's keywords (a dict) that it asks for.
        is_async: True for a coroutine function.
        may_await: True when an answer has to be settled before it is used.
        failures: how often it raised. Counted for `notify` hooks, where nobody else sees it.
        failures_in_a_row: the same, since it last succeeded.
        muted: True when it is not called any more.
    """

    __slots__ = ("call", "failures", "failures_in_a_row", "is_async", "may_await", "muted", "plugin", "spec", "_keyed")

    def __init__(self, spec: HookSpec, plugin: str, function: Callable[..., Any], *, old_style: bool = False) -> None:
        self.spec = spec
        self.plugin = plugin
        self.call = _caller(function)
        self.is_async = is_async(function)
        self.may_await = self.is_async or old_style  # a plain `trigger` may pass on what a coroutine function returned
        self.failures = 0
        self.failures_in_a_row = 0
        self.muted = False
        self._keyed = spec.answer is not None or old_style

    def ask(self, kw: Mapping[str, Any]) -> Any:
        """Call the function; its exceptions become a PluginError, except those of QTasks itself."""
        try:
            return self.call(kw)
        except QTasksError:
            raise
        except Exception as error:
            raise self._blame(error) from error

    async def settle(self, answer: Any, limit: Callable[[Awaitable[Any]], Awaitable[Any]]) -> Any:
        """Await an answer if it has to be awaited; exceptions as in `ask`."""
        if not hasattr(answer, "__await__"):
            return answer
        try:
            return await limit(answer)
        except QTasksError:
            raise
        except Exception as error:
            raise self._blame(error) from error

    def merge(self, kw: dict[str, Any], answer: Any) -> None:
        """Put an answer that is not None into the keywords.

        Raises:
            PluginError: the answer is not what the hook allows.
        """
        returns = self.spec.returns
        if not self._keyed:
            for keyword in returns.values():
                kw[keyword] = answer
            return
        if not isinstance(answer, dict):
            raise self._junk(f"a {type(answer).__name__}")
        for key, value in answer.items():
            if key not in returns:
                raise self._junk(f"the key {key!r}")
            kw[returns[key]] = value

    def _blame(self, error: Exception) -> PluginError:
        return PluginError(
            f"Plugin {self.plugin!r}: hook {self.spec.name} raised {type(error).__name__}: {error}",
            "Mend the plugin, or leave it out (QTASKS_PLUGINS_DISABLE does that for an installed one).",
        )

    def _junk(self, found: str) -> PluginError:
        return PluginError(
            f"Plugin {self.plugin!r}: hook {self.spec.name} answered with {found}.",
            f"Return None or a dict with any of these keys: {', '.join(self.spec.returns)}.",
        )


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether a function, or an object's call, is a coroutine function, be it above or beneath its decorators."""
    return any(map(inspect.iscoroutinefunction, (function, inspect.unwrap(function), type(function).__call__)))


def _caller(function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Any]:
    params = inspect.signature(function).parameters
    if any(param.kind is param.VAR_KEYWORD for param in params.values()):
        return lambda kw: function(**kw)
    if not params:
        return lambda kw: function()  # noqa: ARG005 - every caller is given the keywords
    pick = operator.itemgetter(*params)
    if len(params) == 1:
        return lambda kw: function(pick(kw))
    return lambda kw: function(*pick(kw))
