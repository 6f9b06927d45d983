"""What the models among the parameters of one task make of a call's arguments, beyond what annotations restore.

A single model is one that a call may bring as its fields. A union of a model and something else is validated
here, because the core restores none.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from inspect import Parameter
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError
from qtasks.errors import ArgumentsError

from qtasks_plugins.parameters import is_given, resolved


@attrs.frozen
class ModelArguments:
    """How the arguments of a task become models.

    Args:
        names: of all parameters of the task.
        single: the parameter whose fields a call may bring instead, with its annotation; None where that is ambiguous.
        unions: parameters that are validated here, each with its annotation.
    """

    names: frozenset[str]
    single: tuple[Any, Any] | None
    unions: tuple[tuple[Any, Any], ...]

    def made_of(self, args: list[Any], kw: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, with models in the place of fields and of members of unions.

        Raises:
            ArgumentsError: something does not fit; the text is pydantic's.
        """
        args = list(args)
        if self.single is not None and not is_given(self.single[0], args, kw):
            fields = {name: value for name, value in kw.items() if name not in self.names}
            if fields:
                made = _validated(*self.single, fields)
                kw = {self.single[0].name: made, **{name: kw[name] for name in kw if name in self.names}}
        for parameter, annotation in self.unions:
            if parameter.name in kw:
                kw = {**kw, parameter.name: _validated(parameter, annotation, kw[parameter.name])}
            elif is_given(parameter, args, kw):
                args[parameter.index] = _validated(parameter, annotation, args[parameter.index])
        return args, kw


def model_arguments(function: Callable[..., Any], args_info: Sequence[Any]) -> ModelArguments | None:
    """What the models of a function need; None where it has none, or annotations say it all."""
    annotated = [(parameter, resolved(function, parameter.annotation)) for parameter in args_info]
    found = [(parameter, annotation) for parameter, annotation in annotated if any(_models(annotation))]
    kinds = {parameter.kind for parameter in args_info}
    single = None
    if len(found) == 1 and Parameter.VAR_KEYWORD not in kinds and _is_model(found[0][1]):
        single = found[0]
    unions = tuple((parameter, annotation) for parameter, annotation in found if not _is_restored(annotation))
    names = frozenset(parameter.name for parameter in args_info)
    return ModelArguments(names, single, unions) if single or unions else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_model(annotation: Any) -> bool:
    """True for a model, also as `Annotated[Model, ...]` and as `Model | None`."""
    if get_origin(annotation) is Annotated:
        return _is_model(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not types.NoneType]
        return len(rest) == 1 and _is_model(rest[0])
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_restored(annotation: Any) -> bool:
    """True when the core has restored a value by its annotation."""
    try:
        msgspec.json.Decoder(annotation)
    except TypeError:
        return False
    return True


def _validated(parameter: Any, annotation: Any, value: Any) -> Any:
    try:
        return TypeAdapter(annotation).validate_json(msgspec.json.encode(value), by_alias=True, by_name=True)
    except ValidationError as error:
        raise ArgumentsError(
            f"argument {parameter.name!r} does not fit its annotation {annotation!r}: {error}"
        ) from error
