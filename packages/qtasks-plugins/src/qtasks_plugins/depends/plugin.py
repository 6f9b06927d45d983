"""The plugin `depends`: fills the parameters of tasks, and closes what their workers share.

Tasks without dependencies pay nothing for it, and event loops are imported by workers only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtasks.errors import ConfigError
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

from qtasks_plugins.depends.dependency import Dependency, ScopeEnum
from qtasks_plugins.parameters import INJECTABLE, is_given, is_marked

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor

    from qtasks_plugins.depends.scopes import SharedScope


class DependsPlugin(Plugin):
    """One per application."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    name = "depends"

    def __init__(self) -> None:
        self._shared: dict[object, SharedScope] = {}

    @hookimpl
    def register_arounds(self, register: Callable[..., None], task_func: Any, args_info: Sequence[Any]) -> None:
        """Have the runs of a task with dependencies led through `_run`, and see that `injected()` is no argument."""
        from qtasks_plugins.depends.recipe import check, dependencies

        found = dependencies(task_func.function, args_info)
        for _, dependency in found:
            check(dependency)
        filled = {parameter.name for parameter, _ in found}
        if marked := [each for each in args_info if is_marked(each) and each.name not in filled]:
            register(partial(_refuse_marks, marked))
        if found:
            register(partial(self._run, found))

    async def _run(
        self, found: Sequence[tuple[Any, Dependency]], call_next: Callable[[], Awaitable[Any]], ctx: TaskExecutor
    ) -> Any:
        """One attempt of a task, with its dependencies around it."""
        from qtasks_plugins.depends.scopes import TaskScope

        async with TaskScope(ctx, partial(self._find, ctx.ctx.get_component("worker"))) as scope:
            missing = {param.name: needed for param, needed in found if not is_given(param, ctx.args, ctx.kw)}
            ctx.kw = {**ctx.kw, **missing}  # until they are open: a TypeError of theirs is no argument left out
            ctx.kw = {**ctx.kw, **{name: await scope.get(needed) for name, needed in missing.items()}}
            return await call_next()

    def _find(self, worker: object, scope: ScopeEnum) -> SharedScope:
        """The shared scope of a worker, or of a component that the application has one of."""
        from qtasks_plugins.depends.scopes import SharedScope

        owner = worker if scope is ScopeEnum.WORKER else scope
        return self._shared.setdefault(owner, SharedScope(partial(self._find, worker)))

    async def _close(self, owner: object) -> None:
        if (shared := self._shared.pop(owner, None)) is not None:
            await shared.close()

    @hookimpl
    async def worker_stop(self, worker: object) -> None:
        """The worker holds no task any more."""
        await self._close(worker)

    @hookimpl
    async def global_config_stop(self) -> None:
        """After the worker."""
        await self._close(ScopeEnum.GLOBAL_CONFIG)

    @hookimpl
    async def storage_stop(self) -> None:
        """After the global config."""
        await self._close(ScopeEnum.STORAGE)

    @hookimpl
    async def broker_stop(self) -> None:
        """After the storage."""
        await self._close(ScopeEnum.BROKER)


async def _refuse_marks(marked: Sequence[Any], call_next: Callable[[], Awaitable[Any]], ctx: TaskExecutor) -> Any:
    """One attempt of a task with parameters that states, or other plugins, should have filled before."""
    for parameter in marked:
        if not is_given(parameter, ctx.args, ctx.kw):
            raise ConfigError(f"Nothing was injected for the parameter {parameter.name!r}.", INJECTABLE)
    return await call_next()
