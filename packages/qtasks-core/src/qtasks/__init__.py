"""QTasks: a task queue with a tiny core; every backend and feature is a plugin.

`from qtasks import QueueTasks` is the blocking face, `from qtasks.asyncio import QueueTasks` the
awaitable one.
"""

from qtasks._version import __version__
from qtasks.app.faces import QueueTasks
from qtasks.config import QueueConfig
from qtasks.errors import QTasksError, TaskCancelError, TaskFailed, TimeLimitExceeded
from qtasks.hooks import Plugin, hookimpl
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
