"""Parameters that a plugin fills: their annotations, and whether a call has an argument for them.

Which parameters those are is for each plugin to say.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from qtasks.errors import ConfigError


class Parameter(Protocol):
    """What `inspect.Parameter` and `ArgMeta`, which hooks are given, have in common."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def annotation(self) -> Any:
        """Its annotation as written."""

    @property
    def default(self) -> Any:
        """Its default."""


INJECTABLE = "Its annotation must be a state or have a Depends, and their plugins be loaded: see `qtasks plugins list`."
"""How a parameter is mended that nothing was injected for."""


class _Injected:
    """Stands in the function's signature, and in the place of a value only where no plugin has brought one."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ConfigError(f"{name!r} was asked of a parameter that nothing was injected for.", INJECTABLE)

    def __repr__(self) -> str:
        return "injected()"


_INJECTED = _Injected()


def injected() -> Any:
    """The default of a parameter that a plugin fills, so that type checkers let calls leave it out.

    Written `state: MyState = injected()`.
    """
    return _INJECTED


def is_marked(parameter: Parameter) -> bool:
    """True when its default is `injected()`."""
    return parameter.default is _INJECTED


def resolved(function: Callable[..., Any], annotation: object) -> object:
    """An annotation of a function as an object; as it was written where its names are not known.

    Each is resolved by itself, unlike by `typing.get_type_hints`: one that is there for type checkers only
    does not spoil the others.
    """
    if not isinstance(annotation, str):
        return annotation
    inner: Any = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    names = getattr(inner, "__globals__", None) or vars(sys.modules[inner.__module__])
    try:
        return eval(annotation, dict(names))  # noqa: S307 - the program's own text, as typing does it
    except Exception:  # noqa: BLE001 - whatever an unknown name leads to
        return annotation


def is_given(parameter: Any, args: Sequence[Any], kw: Mapping[str, Any]) -> bool:
    """True when a call has an argument for a parameter (an `ArgMeta`): it goes before what would be injected."""
    by_position = parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return parameter.name in kw or (by_position and parameter.index < len(args))
