"""A worker for the length of a `with` or `async with` block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from qtasks.app.application import Application
from qtasks.app.starter import Starter

if TYPE_CHECKING:
    from qtasks.worker.worker import Worker


class RunningWorker:
    """What `running(app)` returns; good for one block."""

    def __init__(self, app: Application, options: dict[str, Any]) -> None:
        self._joined: Callable[[], None] = lambda: None
        starter_class = app.starter_class or Starter
        self._starter: Starter = starter_class(app, announce=lambda _owner, _number: self._joined(), **options)
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    @property
    def worker(self) -> Worker:
        """The worker, for tests that look inside."""
        return self._starter.worker

    def stop(self) -> None:
        """Begin to drain before the block ends. Callable from any thread."""
        self._starter.stop()

    def __enter__(self) -> Self:
        begun = threading.Event()
        self._joined = begun.set
        self._thread = threading.Thread(target=self._run, args=(begun,), name="qtasks-running", daemon=True)
        self._thread.start()
        begun.wait()
        self._raise()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._thread is not None
        self._starter.stop(at_once=kind is not None)
        self._thread.join()
        if kind is None:
            self._raise()

    def _run(self, begun: threading.Event) -> None:
        try:
            self._starter.run()
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread of the test
            self._error = error
        finally:
            begun.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Self:
        begun = asyncio.Event()
        self._joined = begun.set
        self._task = asyncio.create_task(self._starter.serve(), name="qtasks-running")
        self._task.add_done_callback(lambda _task: begun.set())
        await begun.wait()
        if self._task.done():
            await self._task
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._task is not None
        self._starter.stop(at_once=kind is not None)
        (outcome,) = await asyncio.gather(self._task, return_exceptions=True)
        if kind is None and outcome is not None:
            raise outcome


def running(app: Application, **options: Any) -> RunningWorker:
    """Run a worker of an application: `with` in a thread of its own, `async with` on the running event loop.

    The block begins when the worker has joined its queues. At its end the worker drains as on SIGTERM, without
    any grace when the block raised.

    Args:
        app: the application.
        options: for the worker: `name`, `concurrency` (slots), `queues` (which to serve), `burst` (True ends
            it when they are empty).

    Raises:
        BackendError: the broker cannot be reached.
    """
    return RunningWorker(app, options)
