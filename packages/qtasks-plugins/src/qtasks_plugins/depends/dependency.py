"""`Depends`: how a program says what a parameter is filled with. How that is opened and closed is elsewhere."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, overload

from qtasks.errors import ConfigError, did_you_mean

T = TypeVar("T")


class ScopeEnum(enum.StrEnum):
    """Who owns an instance and closes it, from the shortest life to the longest."""

    TASK = "task"
    """One attempt of one task."""
    WORKER = "worker"
    """The worker, with all its threads and event loop; closed when it stops, after its last task."""
    GLOBAL_CONFIG = "global_config"
    """Closed before the worker process closes its global config."""
    STORAGE = "storage"
    """Closed before the worker process closes its storage."""
    BROKER = "broker"
    """Closed before the worker process closes its broker, last of all."""

    @property
    def life(self) -> int:
        """The higher, the longer its instances live."""
        return list(ScopeEnum).index(self)


Scope: TypeAlias = ScopeEnum | Literal["task", "worker", "global_config", "storage", "broker"]


@dataclass(frozen=True, eq=False, slots=True)
class Dependency:
    """What `Depends` makes.

    Args:
        function: what makes the instance.
        scope: who owns it.
    """

    function: Callable[..., Any]
    scope: ScopeEnum


@overload
def Depends(function: Callable[..., AsyncIterator[T]], scope: Scope = ...) -> T: ...
@overload
def Depends(function: Callable[..., Iterator[T]], scope: Scope = ...) -> T: ...
@overload
def Depends(function: Callable[..., AbstractAsyncContextManager[T]], scope: Scope = ...) -> T: ...
@overload
def Depends(function: Callable[..., AbstractContextManager[T]], scope: Scope = ...) -> T: ...
@overload
def Depends(function: Callable[..., Awaitable[T]], scope: Scope = ...) -> T: ...
@overload
def Depends(function: Callable[..., T], scope: Scope = ...) -> T: ...
def Depends(function: Callable[..., Any], scope: Scope = ScopeEnum.TASK) -> Any:  # noqa: N802 - read as a type is
    """Fill a parameter of a task with what a function makes.

    Written `db: Session = Depends(get_db)`, `db: Annotated[Session, Depends(get_db)]` or `db: Depends(get_db)`.
    The function may have such parameters itself. An argument that the call brings goes before.

    Args:
        function: what makes the instance: a function, plain or `async`, whose result is taken as it is; a
            generator, plain or `async`, which yields it once and closes it behind the `yield`; a class. What
            functions under `contextmanager` or `asynccontextmanager` make, and instances of classes with
            `__enter__` or `__aenter__`, are entered and left.
        scope: who owns the instance. By default each attempt of a task has its own. One of the `worker` is
            shared by all tasks of a worker process at the same time, in all its threads: it must be made for that.

    Raises:
        ConfigError: there is no such scope, or the function is none.
    """
    if not callable(function):
        raise ConfigError(f"Depends: expected a function, found {function!r}.", "Leave out its brackets: Depends(get).")
    known = [each.value for each in ScopeEnum]
    if scope not in known:
        hint = did_you_mean(str(scope), known) or f"There are: {', '.join(known)}."
        raise ConfigError(f"Depends: there is no scope {scope!r}.", hint)
    return Dependency(function, ScopeEnum(scope))


_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}


@contextmanager
def override(function: Callable[..., Any], replacement: Callable[..., Any]) -> Iterator[None]:
    """For tests: have another function make the instances for the length of a `with` block, in this process.

    Args:
        function: what stands in `Depends`, or in the place of which another one stands already.
        replacement: anything that may stand in `Depends`. It has its own instances, also beside those of a
            worker that were opened before.
    """
    before = _overrides.get(function)
    _overrides[function] = replacement
    try:
        yield
    finally:
        if before is None:
            del _overrides[function]
        else:
            _overrides[function] = before


def in_force(function: Callable[..., Any]) -> Callable[..., Any]:
    """What makes the instances now: the function, or what a test has put in its place."""
    return _overrides.get(function, function)
