"""What is known about a function before it makes an instance: how it is called, and what it needs itself."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

from qtasks.errors import ConfigError

from qtasks_plugins.depends.dependency import Dependency, in_force
from qtasks_plugins.parameters import Parameter, resolved

P = TypeVar("P", bound=Parameter)


class Kind(enum.Enum):
    """How an instance is made."""

    FUNCTION = enum.auto()
    """It is what the function returns."""
    COROUTINE = enum.auto()
    """It is what the function returns when awaited."""
    MANAGER = enum.auto()
    """It is what entering the context manager gives that the function returns."""
    ASYNC_MANAGER = enum.auto()
    """The same, awaited."""


@dataclass(frozen=True, eq=False, slots=True)
class Recipe:
    """How a function makes an instance.

    Args:
        make: called with what it needs, by name.
        kind: what is to be done with what it returns.
        needs: its own dependencies, by parameter.
    """

    make: Callable[..., Any]
    kind: Kind
    needs: Mapping[str, Dependency]


@functools.lru_cache(maxsize=1024)
def recipe_of(function: Callable[..., Any]) -> Recipe:
    """Work out how a function makes an instance."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of some classes written in C nothing is known
        needs = {}
    else:
        needs = {parameter.name: need for parameter, need in dependencies(function, parameters)}
    bodies = (function, type(function).__call__)  # the latter of an object called like a function
    if any(map(inspect.isasyncgenfunction, bodies)):
        return Recipe(asynccontextmanager(function), Kind.ASYNC_MANAGER, needs)
    if any(map(inspect.isgeneratorfunction, bodies)):
        return Recipe(contextmanager(function), Kind.MANAGER, needs)
    return Recipe(function, _kind(function, bodies), needs)


def _kind(function: Any, bodies: tuple[Any, ...]) -> Kind:
    if inspect.isclass(function):
        if hasattr(function, "__aenter__"):
            return Kind.ASYNC_MANAGER
        return Kind.MANAGER if hasattr(function, "__enter__") else Kind.FUNCTION
    inner = inspect.unwrap(function)  # of @asynccontextmanager and @contextmanager
    if inspect.isasyncgenfunction(inner):
        return Kind.ASYNC_MANAGER
    if inspect.isgeneratorfunction(inner):
        return Kind.MANAGER
    return Kind.COROUTINE if any(map(inspect.iscoroutinefunction, bodies)) else Kind.FUNCTION


def dependencies(function: Callable[..., Any], parameters: Iterable[P]) -> list[tuple[P, Dependency]]:
    """Those of a function's parameters that are dependencies, in either spelling."""
    found = []
    for parameter in parameters:
        annotation = resolved(function, parameter.annotation)
        metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
        for spelling in (parameter.default, annotation, *metadata):
            if isinstance(spelling, Dependency):
                found.append((parameter, spelling))
                break
    return found


def check(dependency: Dependency, above: tuple[Dependency, ...] = ()) -> None:
    """Check a dependency with all that it needs.

    Raises:
        ConfigError: it needs itself, or something that does not live as long as itself.
    """
    function = in_force(dependency.function)
    name = getattr(function, "__qualname__", repr(function))
    if function in [in_force(other.function) for other in above]:
        raise ConfigError(f"The dependency {name} needs itself.")
    for need in recipe_of(function).needs.values():
        if need.scope.life < dependency.scope.life:
            needed = getattr(need.function, "__qualname__", repr(need.function))
            raise ConfigError(
                f"The dependency {name} of scope {dependency.scope} needs {needed} of scope {need.scope}, "
                "which is closed before.",
                f'Write Depends({needed}, scope="{dependency.scope}").',
            )
        check(need, (*above, dependency))
