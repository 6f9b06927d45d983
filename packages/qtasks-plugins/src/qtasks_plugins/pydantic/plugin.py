"""The plugin `pydantic`: models travel as JSON, and tasks may be called with the fields of their model.

It imports pydantic when the program has done so. Tasks without models pay nothing for it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor

    from qtasks_plugins.pydantic.arguments import ModelArguments


class PydanticPlugin(Plugin):
    """One per application."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    name = "pydantic"

    @hookimpl
    def register_types(self, register: Callable[..., None]) -> None:
        """Have models encoded, and restored where an annotation names them."""
        register("pydantic.main:BaseModel", "qtasks_plugins.pydantic.models")

    @hookimpl(tryfirst=True)  # models are there when dependencies are opened
    def register_arounds(self, register: Callable[..., None], task_func: Any, args_info: Sequence[Any]) -> None:
        """Have the runs of a task led through `_run` where its models need more than that."""
        if "pydantic" not in sys.modules:
            return
        from qtasks_plugins.pydantic.arguments import model_arguments

        if (found := model_arguments(task_func.function, args_info)) is not None:
            register(partial(_run, found))


async def _run(models: ModelArguments, call_next: Callable[[], Awaitable[Any]], ctx: TaskExecutor) -> Any:
    """One attempt of a task, with its models made."""
    ctx.args, ctx.kw = models.made_of(ctx.args, ctx.kw)
    return await call_next()
