"""Values restored by annotation: what a function's parameters and its return type ask for.

JSON carries datetimes, UUIDs, decimals, bytes, enums, attrs, dataclasses and structs as plain values; the
annotation says what they were. Where an annotation names nothing that JSON changes, nothing is done, and
the worker's path has no step for it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections import abc
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from msgspec import inspect as types

from qtasks import foreign
from qtasks.errors import ArgumentsError

if TYPE_CHECKING:
    from qtasks.registry import TaskDefinition

_YIELDING = (abc.AsyncGenerator, abc.AsyncIterable, abc.AsyncIterator, abc.Generator, abc.Iterable, abc.Iterator)
_SCALARS = (types.AnyType, types.IntType, types.FloatType, types.StrType, types.BoolType, types.NoneType)


@attrs.frozen
class ArgumentPlan:
    """Which arguments of a function have to be restored, and into what.

    Args:
        positional: by position: the parameter's name and type, or None where nothing is to be done.
        keyword: by name.
        rest: what `*args` asks for.
        rest_keyword: what `**kwargs` asks for.
    """

    positional: tuple[tuple[str, Any] | None, ...]
    keyword: dict[str, Any]
    rest: Any = None
    rest_keyword: Any = None

    def restore(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Restore the arguments of one call.

        Raises:
            ArgumentsError: a value does not fit; the message names the argument.
        """
        restored = list(args)
        for index, value in enumerate(args):
            if index < len(self.positional):
                wanted = self.positional[index]
                if wanted is not None:
                    restored[index] = _convert(value, wanted[1], wanted[0])
            elif self.rest is not None:
                restored[index] = _convert(value, self.rest, f"args[{index}]")
        named = dict(kwargs)
        for name, value in kwargs.items():
            type_ = self.keyword.get(name, None if name in self.keyword else self.rest_keyword)
            if type_ is not None:
                named[name] = _convert(value, type_, name)
        return restored, named


def _convert(value: Any, type_: Any, name: str) -> Any:
    try:
        return msgspec.convert(value, type_, dec_hook=foreign.decode)
    except msgspec.ValidationError as error:
        raise ArgumentsError(f"argument {name!r} does not fit its annotation {type_!r}: {error}") from error


def argument_plan(function: Any, *, skip: int = 0) -> ArgumentPlan | None:
    """What is to be restored among a function's arguments; None when nothing is.

    Args:
        function: the user's function.
        skip: how many leading parameters do not come over the wire (the bound object of `echo`).
    """
    inner = inspect.unwrap(function)
    hints = _hints(inner)
    positional: list[tuple[str, Any] | None] = []
    keyword: dict[str, Any] = {}
    rest = rest_keyword = None
    for parameter in list(inspect.signature(inner).parameters.values())[skip:]:
        type_ = _wanted(hints.get(parameter.name))
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = type_
        elif parameter.kind is parameter.VAR_KEYWORD:
            rest_keyword = type_
        else:
            if parameter.kind is not parameter.KEYWORD_ONLY:
                positional.append(None if type_ is None else (parameter.name, type_))
            keyword[parameter.name] = type_
    if any(positional) or any(t is not None for t in keyword.values()) or rest is not None or rest_keyword is not None:
        return ArgumentPlan(tuple(positional), keyword, rest, rest_keyword)
    return None


@functools.lru_cache(maxsize=4096)
def converted_return(function: Any) -> Any:
    """What a function's return annotation asks for; None where plain JSON is right."""
    return _wanted(_hints(inspect.unwrap(function)).get("return"))


@functools.lru_cache(maxsize=4096)
def converted_values(definition: TaskDefinition) -> tuple[Any, Any]:
    """What is to be made of each value that a generator task publishes, and of their list; None for plain JSON.

    Nothing is made of the list where the annotation tells of a value that is returned: it may be that one.
    """
    hint, handler = _hints(inspect.unwrap(definition.function)).get("return"), definition.options.generate_handler
    arguments = typing.get_args(hint) if typing.get_origin(hint) in _YIELDING else ()
    type_ = _wanted(arguments[0] if arguments else None) if handler is None else converted_return(handler)
    a_list: Any = list  # mypy takes `list[type_]` for an annotation
    returns_none = arguments[2:] in {(), (None,), (type(None),)}  # the third of Generator[...]
    return type_, a_list[type_] if type_ is not None and returns_none else None


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - names under TYPE_CHECKING and the like: plain JSON then
        return {}


def _wanted(type_: Any) -> Any:
    """The type if JSON changes its values and msgspec can restore them, else None."""
    if type_ is None:
        return None
    try:
        if _is_plain(types.type_info(type_)):
            return None
        msgspec.json.Decoder(type_)
    except Exception:  # noqa: BLE001 - a type that msgspec does not know: the value stays as it came
        return None
    return type_


def _is_plain(info: types.Type) -> bool:
    if isinstance(info, _SCALARS):
        return True
    if isinstance(info, types.ListType):
        return _is_plain(info.item_type)
    if isinstance(info, types.DictType):
        return isinstance(info.key_type, (types.AnyType, types.StrType)) and _is_plain(info.value_type)
    if isinstance(info, types.UnionType):
        return all(_is_plain(member) for member in info.types)
    return isinstance(info, types.CustomType) and foreign.codec_of(info.cls) is None
