"""Middlewares of every task of an application: a plugin that leads what it was given around their runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from qtasks.hooks import Plugin, hookimpl

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor


class Middlewares(Plugin):
    """Those that `app.add_middleware` was given. A task's own are run within them."""

    name = "middlewares"

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.after: list[Any] = []

    @hookimpl
    def register_arounds(self, register: Callable[..., None]) -> None:
        """Lead them around the runs of every task."""
        register(self._run)

    async def _run(self, call_next: Callable[[], Awaitable[Any]], ctx: TaskExecutor) -> Any:
        if self.before:
            await ctx.run_middlewares(middlewares_before=tuple(self.before))
        ctx.result = await call_next()
        if self.after:
            await ctx.run_middlewares(middlewares_after=tuple(self.after))
        return ctx.result
