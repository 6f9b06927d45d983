"""The awaitable face: `from qtasks.asyncio import QueueTasks`."""

from qtasks.app.faces import AsyncQueueTasks as QueueTasks

__all__ = ["QueueTasks"]
