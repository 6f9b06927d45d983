"""The base classes of plugins and middlewares that programs of QTasks 1.7 subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    from qtasks.executor.executor import TaskExecutor


class BasePlugin(ABC):
    """A plugin with one method for all hooks.

    Args:
        name: what the plugin is called; the name of its class when None.
    """

    name: str | None = None

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    @abstractmethod
    def trigger(self, name: str, **kwargs: Any) -> Any:
        """Answer a hook, as `def` or `async def`: a dict with the values to replace, or None."""


class BaseMiddleware(ABC):
    """Something that is made with the executor of a task and called before or after the task's function."""

    def __init__(self, task_executor: TaskExecutor) -> None:
        self.task_executor = task_executor

    @abstractmethod
    def __call__(self) -> Any:
        """Do it, as `def` or `async def`; what is returned is ignored."""


class TaskMiddleware(BaseMiddleware):
    """A middleware of tasks: for `middlewares_before`, `middlewares_after` and `app.add_middleware`."""


class TestPlugin(Plugin):
    """Does nothing: an application under test needs no plugin any more."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    __test__ = False
    name = "test"

    @hookimpl
    def starter_start(self) -> None:
        """A plugin has to have a hook."""
