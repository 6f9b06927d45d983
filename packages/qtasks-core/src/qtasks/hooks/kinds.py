"""How hooks are declared: the five kinds, the specification of one hook, and the marker of implementations.

The hooks themselves are in `qtasks.hooks.specs`; how each kind is called is in `qtasks.hooks.dispatch`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import pluggy

PROJECT = "qtasks"
"""The name under which pluggy marks our hooks, and the entry-point group of plugins."""

COMPONENTS = (
    "qtasks",
    "broker",
    "storage",
    "global_config",
    "worker",
    "task_executor",
    "starter",
    "stats",
    "register",
)
"""The prefixes of hook names: each hook belongs to exactly one component."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a method of a plugin, or a function of a plugin module, as the implementation of the hook of the same name.

`@hookimpl(tryfirst=True)` and `@hookimpl(trylast=True)` move it to the ends of the order.
"""

_hookspec = pluggy.HookspecMarker(PROJECT)
_SPEC_ATTRIBUTE = "_qtasks_hook"

_Spec: TypeAlias = Any
"""Declared hooks are `Any` to type checkers: implementations are `def` or `async def`, with fewer arguments."""


class Kind(enum.StrEnum):
    """What happens with the answers and the exceptions of a hook's implementations; every hook has exactly one kind.

    - `notify`: all run, answers are ignored. An exception is logged with plugin and hook, and counted; after
      five in a row that implementation is muted.
    - `replace`: a chain. Each is given the current value and answers a new one, or None to keep it. An
      exception fails the operation; never muted.
    - `first`: the first answer that is not None wins, and the others are not asked. An exception fails the operation.
    - `collect`: all answers that are not None, as a list. An exception fails the operation.
    - `around`: `async def (call_next, ctx)`; it awaits `call_next()` and what it returns or raises takes
      the place of what `call_next()` did.
    """

    NOTIFY = "notify"
    REPLACE = "replace"
    FIRST = "first"
    COLLECT = "collect"
    AROUND = "around"


@attrs.frozen
class HookSpec:
    """What is fixed about one hook.

    Args:
        name: the hook's name.
        kind: what happens with answers and exceptions.
        params: the keywords that implementations may ask for.
        returns: what may be in an answer, each with the keyword it replaces. Empty when answers are ignored.
        answer: the TypedDict that an answer is, with any of the keys in `returns`; None when it is the value itself.
        added: keywords that QTasks 1.7 did not have; old-style plugins are not given them.
        doc: when the hook is called and what an answer does.
    """

    name: str
    kind: Kind
    params: tuple[str, ...]
    returns: Mapping[str, str]
    answer: type | None
    added: frozenset[str]
    doc: str

    @property
    def component(self) -> str:
        """The component that calls the hook: the prefix of its name."""
        return next(component for component in COMPONENTS if self.name.startswith(f"{component}_"))

    @property
    def sync_only(self) -> bool:
        """True for registration hooks: they are called while the app is made, without an event loop."""
        return self.component == "register"


def spec_of(declared: object) -> HookSpec | None:
    """Return the specification that a decorator of this module put on a method, None when there is none."""
    spec: HookSpec | None = getattr(declared, _SPEC_ATTRIBUTE, None)
    return spec


def notify(method: Callable[..., Any]) -> _Spec:
    """Declare a hook of kind `notify`."""
    return _declare(method, Kind.NOTIFY)


def replace(
    answer: str | type, *, renamed: Mapping[str, str] | None = None, added: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], _Spec]:
    """Declare a hook of kind `replace`.

    Args:
        answer: the one keyword whose value is replaced, or the TypedDict whose keys are.
        renamed: keys of the TypedDict that are not called like the keyword they replace.
        added: keywords that QTasks 1.7 did not have.
    """
    if isinstance(answer, str):
        return lambda method: _declare(method, Kind.REPLACE, {answer: answer}, None, added)
    returns = {key: key for key in answer.__annotations__} | dict(renamed or {})
    return lambda method: _declare(method, Kind.REPLACE, returns, answer, added)


def first(answer: type) -> Callable[[Callable[..., Any]], _Spec]:
    """Declare a hook of kind `first`.

    Args:
        answer: the TypedDict that an answer is.
    """
    returns = {key: key for key in answer.__annotations__}
    return lambda method: _declare(method, Kind.FIRST, returns, answer)


def collect(method: Callable[..., Any]) -> _Spec:
    """Declare a hook of kind `collect`."""
    return _declare(method, Kind.COLLECT)


def around(method: Callable[..., Any]) -> _Spec:
    """Declare a hook of kind `around`; its keywords are `call_next` and `ctx`."""
    return _declare(method, Kind.AROUND)


def _declare(
    method: Callable[..., Any],
    kind: Kind,
    returns: Mapping[str, str] | None = None,
    answer: type | None = None,
    added: tuple[str, ...] = (),
) -> _Spec:
    code = method.__code__
    params = code.co_varnames[1 : code.co_argcount]  # without self
    spec = HookSpec(method.__name__, kind, params, returns or {}, answer, frozenset(added), method.__doc__ or "")
    setattr(method, _SPEC_ATTRIBUTE, spec)
    return _hookspec(method)
