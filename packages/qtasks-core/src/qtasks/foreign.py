"""Types of other libraries, as plugins have registered them: how their values become JSON and come back.

What msgspec knows by itself never comes here. Where a codec is needed for values of a class that a program has not
imported, nothing is imported either: classes are registered, and found, by name.
"""

from __future__ import annotations

import functools
import pkgutil
from typing import Any

from qtasks.errors import PluginError

_targets: dict[str, str] = {}


def register_type(kind: str, target: str) -> None:
    """Have values of a class, and of the classes derived from it, encoded and restored by somebody else.

    Args:
        kind: the class, as its `__module__` and `__qualname__` with a colon between.
        target: the dotted path of what has `encode(value)` and `decode(kind, value)`; imported on first use.

    Raises:
        PluginError: the class has another target already.
    """
    if (known := _targets.setdefault(kind, target)) != target:
        raise PluginError(
            f"Two plugins encode {kind}: {known} and {target}.", "Leave one out: QTASKS_PLUGINS_DISABLE=<its name>."
        )
    codec_of.cache_clear()


@functools.lru_cache(maxsize=4096)
def codec_of(kind: Any) -> Any:
    """The target registered for a class or the next one that it derives from; None where there is none."""
    names = (f"{base.__module__}:{base.__qualname__}" for base in getattr(kind, "__mro__", ()))
    target = next(filter(None, map(_targets.get, names)), None)
    return None if target is None else pkgutil.resolve_name(target)


def encode(value: Any) -> Any:
    """Make of a value what msgspec knows; its `enc_hook`.

    Raises:
        TypeError: nobody has registered a type for it.
    """
    kind: Any = type(value)
    if (codec := codec_of(kind)) is None:
        raise TypeError(f"nothing encodes objects of type {kind.__module__}:{kind.__qualname__}")
    return codec.encode(value)


def decode(kind: Any, value: Any) -> Any:
    """Make a value of a class of JSON values; msgspec's `dec_hook`, which refuses what is not of the class then."""
    codec = codec_of(kind)
    return value if codec is None else codec.decode(kind, value)
