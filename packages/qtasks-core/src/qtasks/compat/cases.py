"""Test cases of QTasks 1.7: an application on the memory backend, with a worker, until `stop()`.

New tests are better off with `qtasks.testing`, on which this stands.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, Self

import attrs

from qtasks.testing import in_memory, running

if TYPE_CHECKING:
    from qtasks.app.faces import AsyncQueueTasks, QueueTasks


@attrs.define
class TestConfig:
    """Which parts of an application take part in a test.

    Args:
        worker: True runs tasks; False only adds them.
        broker: tasks wait in memory in any case.
        storage: results are kept in memory in any case.
        global_config: it is in memory in any case.
        plugins: False calls no plugins but those of the core.
    """

    __test__ = False

    worker: bool = False
    broker: bool = False
    storage: bool = False
    global_config: bool = False
    plugins: bool = False

    @classmethod
    def full(cls) -> Self:
        """Everything."""
        return cls(True, True, True, True, True)

    @classmethod
    def only_worker(cls, plugins: bool = False) -> Self:
        """The worker."""
        return cls(worker=True, plugins=plugins)

    @classmethod
    def only_broker(cls, plugins: bool = False) -> Self:
        """The broker."""
        return cls(broker=True, plugins=plugins)

    @classmethod
    def full_broker(cls) -> Self:
        """The broker with the storage, the global config and the plugins."""
        return cls(broker=True, storage=True, global_config=True, plugins=True)


class TestCase:
    """What both faces have: what is tested, and with which parts.

    Attributes:
        add_task: that of the application.
        get: that of the application.
    """

    __test__ = False

    def __init__(self, app: Any) -> None:
        self.app = app
        self.add_task, self.get = app.add_task, app.get
        self._config = TestConfig.full()

    def settings(self, config: TestConfig) -> None:
        """Say which parts take part; all of them by default. To be called before a start."""
        self._config = config

    def _isolate(self, stack: ExitStack | AsyncExitStack) -> None:
        stack.enter_context(in_memory(self.app))
        if not self._config.plugins:
            ours = {plugin.name for plugin in self.app.plugins if plugin.origin.startswith("qtasks.builtins")}
            stack.enter_context(self.app.hooks.only(ours))


class SyncTestCase(TestCase):
    """A test of an application of the blocking face."""

    def __init__(self, app: QueueTasks) -> None:
        super().__init__(app)
        self._stack = ExitStack()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start, and wait until somebody calls `stop`."""
        self.start_in_background()
        self._stopped.wait()

    def start_in_background(self) -> None:
        """Put the application on an empty queue in memory, and run a worker in a thread."""
        self._stopped.clear()
        self._isolate(self._stack)
        if self._config.worker:
            self._stack.enter_context(running(self.app))

    def stop(self) -> None:
        """Let what runs come to its end, and give the application its own components back."""
        self._stack.close()
        self._stopped.set()


class AsyncTestCase(TestCase):
    """A test of an application of the awaitable face, on the running event loop; see `SyncTestCase`."""

    def __init__(self, app: AsyncQueueTasks) -> None:
        super().__init__(app)
        self._stack = AsyncExitStack()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Like `SyncTestCase.start`."""
        await self.start_in_background()
        await self._stopped.wait()

    async def start_in_background(self) -> None:
        """Like `SyncTestCase.start_in_background`; the worker runs on this event loop."""
        self._stopped.clear()
        self._isolate(self._stack)
        if self._config.worker:
            await self._stack.enter_async_context(running(self.app))

    async def stop(self) -> None:
        """Like `SyncTestCase.stop`."""
        await self._stack.aclose()
        self._stopped.set()
