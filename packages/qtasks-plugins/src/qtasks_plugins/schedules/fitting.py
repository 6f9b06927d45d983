"""Whether the call of a schedule fits its task: what certainly does not is refused where it is declared.

A worker knows more: plugins fill parameters by their annotations and defaults, and make models of other arguments.
"""

from __future__ import annotations

import inspect
from typing import get_origin

from qtasks.errors import ConfigError
from qtasks.registry import TaskDefinition

from qtasks_plugins.parameters import resolved
from qtasks_plugins.schedules.schedule import Schedule

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_call(definition: TaskDefinition, schedule: Schedule) -> None:
    """Return when the calls of a schedule may fit.

    Raises:
        ConfigError: a parameter that nobody fills is left out, or there is none for an argument.
    """
    name, function, options = definition.name, definition.function, definition.options
    if options.executor or options.middlewares_before:  # they may change the arguments
        return
    signature = inspect.signature(function, follow_wrapped=False)  # a decorator may bring arguments, too
    bound = (None,) if options.echo else ()
    parameters = list(signature.parameters.values())[len(bound) :]
    plain = [each for each in parameters if _is_plain(resolved(function, each.annotation))]
    try:
        given = signature.bind_partial(*bound, *schedule.args, **schedule.kwargs).arguments
    except TypeError as misfit:
        if len(plain) < len(parameters):  # it may be a field of a model
            return
        raise ConfigError(f"The arguments of a schedule do not fit {name!r}: {misfit}.") from misfit
    for each in plain:
        if each.default is each.empty and each.kind not in VARIADIC and each.name not in given:
            mend = f'Give it in schedule=Schedule(..., kwargs={{"{each.name}": ...}}).'
            raise ConfigError(f"A schedule of {name!r} calls it without {each.name!r}, which it needs.", mend)


def _is_plain(annotation: object) -> bool:
    """True where there is none, and for types such as `str` and `list[int]`: no plugin fills those."""
    kind = get_origin(annotation) or annotation
    return kind is inspect.Parameter.empty or (isinstance(kind, type) and kind.__module__ == "builtins")
