"""The plugin `states`: hands tasks the states that their parameters are annotated with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from qtasks.errors import ArgumentsError, ConfigError
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

from qtasks_plugins.parameters import is_given, resolved
from qtasks_plugins.states.state import AsyncState, SyncState

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor


class StatePlugin(Plugin):
    """One per application."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    name = "states"

    def __init__(self) -> None:
        self._kinds: dict[str, type[AsyncState | SyncState]] = {}

    @hookimpl(tryfirst=True)  # states are there when dependencies are opened
    def register_arounds(self, register: Callable[..., None], task_func: Any, args_info: Sequence[Any]) -> None:
        """Have the runs of a task with states led through `_run`."""
        found = []
        for parameter in args_info:
            kind = _state_kind(resolved(task_func.function, parameter.annotation))
            if kind is not None:
                self._check(kind)
                found.append((parameter, kind))
        if found:
            register(partial(self._run, found))

    def _check(self, kind: type[AsyncState | SyncState]) -> None:
        """Refuse a second class under one name, unless it is the first one imported anew."""
        known = self._kinds.setdefault(kind.stored_name(), kind)
        if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
            raise ConfigError(
                f"{kind.__module__}.{kind.__qualname__} and {known.__module__}.{known.__qualname__} would share "
                f"the fields of one state, {kind.stored_name()!r}.",
                'Give one of the classes another name: name = "...".',
            )

    async def _run(
        self,
        found: Sequence[tuple[Any, type[AsyncState | SyncState]]],
        call_next: Callable[[], Awaitable[Any]],
        ctx: TaskExecutor,
    ) -> Any:
        """One attempt of a task, with its states."""
        for parameter, kind in found:
            if is_given(parameter, ctx.args, ctx.kw):
                raise ArgumentsError(
                    f"argument {parameter.name!r} is a {kind.__name__}, which no call brings",
                    "Put it behind the other parameters, or name these in the call.",
                )
        ctx.kw = {**ctx.kw, **{parameter.name: kind(ctx.runtime.app) for parameter, kind in found}}
        return await call_next()


def _state_kind(annotation: object) -> type[AsyncState | SyncState] | None:
    """The class of a state that a parameter asks for, None for other annotations."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation if isinstance(annotation, type) and issubclass(annotation, (AsyncState, SyncState)) else None
