"""The awaitable face: `from qtasks.asyncio import QueueTasks`."""

from qtasks.app.faces import AsyncQueueTasks as QueueTasks

__all__ = ["QueueTasks"]

__path__: list[str] = []  # makes room for `qtasks.asyncio.qtasks`, a path of QTasks 1.7
