"""What the entry point `audit` names: the hooks of the plugin, and where its command and its section are.

It is imported by every program that makes an application, so it imports nothing that takes time.
"""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Mapping
from typing import Any

from qtasks import Plugin, hookimpl

from qtasks_audit.trail import Line, Trail

HEADER = "audit-by"
"""The header that carries who added a task to the worker that runs it."""


class AuditPlugin(Plugin):
    """Notes in a file who added each task that ended here.

    Args:
        trail: the file; None for the one that QTASKS_AUDIT names.
        user: who adds tasks in this process; None for the user that it runs as.
    """

    QTASKS_PLUGIN_API = 1

    def __init__(self, trail: Trail | None = None, user: str | None = None) -> None:
        self._trail = trail or Trail.from_environment()
        self._user = user or f"{who()}@{platform.node()}"

    @hookimpl
    def qtasks_add_task_before_broker(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """In the producer: let the message carry who added it."""
        return {"extra": {HEADER: self._user, **extra}}

    @hookimpl
    def worker_execute_after(self, task_broker: Any, model: Any) -> None:
        """In the worker, when the outcome is written: note it. A retry is no end, and garbage has no author."""
        if task_broker is not None and model.status.terminal:
            by = task_broker.headers.get(HEADER, "")
            self._trail.add(Line(model.finished, by, task_broker.task, task_broker.id, str(model.status)))

    @hookimpl
    def register_commands(self, register: Callable[..., None]) -> None:
        """`qtasks audit`."""
        register("audit", "qtasks_audit.command:audit", help="Show who had which tasks run.")

    @hookimpl
    def register_stats(self, register: Callable[..., None]) -> None:
        """`qtasks stats inspect audit`."""
        register("audit", "qtasks_audit.section:section", help="Who had how many tasks run, by task.")


def who() -> str:
    """The user that this process runs as; containers may run as one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "nobody"
