"""QTasks: a task queue with a tiny core; every backend and feature is a plugin.

`from qtasks import QueueTasks` is the blocking face, `from qtasks.asyncio import QueueTasks` the
awaitable one. Names are imported when they are first used: `qtasks --help` needs none of them.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from qtasks._version import __version__
    from qtasks.app.faces import QueueTasks
    from qtasks.config import QueueConfig
    from qtasks.errors import QTasksError, TaskCancelError, TaskFailed, TimeLimitExceeded
    from qtasks.hooks import Plugin, hookimpl
    from qtasks.plugins import Depends as Depends  # not in __all__: it is in another distribution
    from qtasks.result import Restarted, Task
    from qtasks.router import AsyncRouter, SyncRouter, shared_task
    from qtasks.types import TaskStatus

__all__ = [
    "AsyncRouter",
    "Plugin",
    "QTasksError",
    "QueueConfig",
    "QueueTasks",
    "Restarted",
    "SyncRouter",
    "Task",
    "TaskCancelError",
    "TaskFailed",
    "TaskStatus",
    "TimeLimitExceeded",
    "__version__",
    "hookimpl",
    "shared_task",
]

_HOMES = {
    "_version": ["__version__"],
    "app.faces": ["QueueTasks"],
    "config": ["QueueConfig"],
    "errors": ["QTasksError", "TaskCancelError", "TaskFailed", "TimeLimitExceeded"],
    "hooks": ["Plugin", "hookimpl"],
    "plugins": ["Depends"],
    "result": ["Restarted", "Task"],
    "router": ["AsyncRouter", "SyncRouter", "shared_task"],
    "types": ["TaskStatus"],
}
_MODULES = {name: f"qtasks.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'qtasks' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    except ImportError as error:
        from qtasks.compat.finder import explain

        raise explain(error) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _OldPaths:
    """Asked last, for modules that nobody else has found: those of ours that QTasks 1.7 had."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        if not name.startswith("qtasks."):
            return None
        from qtasks.compat.finder import find_spec

        return find_spec(name)


sys.meta_path.append(_OldPaths)
