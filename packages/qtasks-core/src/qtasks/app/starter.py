"""`Starter`: opens the components, runs one worker on an event loop of its own, closes again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from qtasks.supervisor.leases import Leases
from qtasks.worker.lease import Announce, Lease
from qtasks.worker.worker import Worker

if TYPE_CHECKING:
    from qtasks.app.application import Application

log = logging.getLogger("qtasks.starter")


class Starter:
    """Runs one worker of an application in the current process.

    Args:
        app: the application.
        lease: a lease that a supervisor renews; None has a daemon thread renew it.
        announce: told of each new incarnation.
        options: for the worker: `name`, `concurrency`, `queues`, `burst` and so on.
    """

    def __init__(
        self, app: Application, *, lease: Lease | None = None, announce: Announce | None = None, **options: Any
    ) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leases = Leases(app.runtime) if lease is None else None
        self._announce = announce
        self.lease = lease or Lease(app.config.lease)
        worker_class = app.worker_class or Worker
        self.worker: Worker = worker_class(app.runtime, lease=self.lease, announce=self._joined, **options)

    def run(self) -> None:
        """Run until the worker stops.

        SIGTERM and SIGINT drain it; a second one ends it at once, with hand-back. Under a supervisor SIGTERM
        drains it, however often it comes: whoever signals all processes of a group must not be heard twice.
        """
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._run_with_signals())

    def stop(self, *, at_once: bool = False) -> None:
        """Drain the worker; `at_once` without any grace. Callable from any thread, also before it runs."""
        if self._loop is None:
            self.worker.stop()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.worker.stop, 0 if at_once else None)

    async def _run_with_signals(self) -> None:
        self._watch_signals(asyncio.get_running_loop())
        await self.serve()

    async def serve(self) -> None:
        """Run until the worker stops, on the running event loop; signals are the caller's affair.

        Raises:
            BackendError: the broker cannot be reached at the start.
        """
        self._loop = asyncio.get_running_loop()
        runtime, hooks = self._app.runtime, self._app.hooks.dispatch
        link = runtime.link
        await hooks.starter_start(starter=self)
        await link.open()
        await hooks.broker_start(broker=link.broker, worker=self.worker)
        await hooks.storage_start(storage=link.storage)
        await hooks.global_config_start(global_config=link.global_config.backend)
        if self._leases is not None:
            self._leases.start()
        try:
            await self.worker.run()
        finally:
            if self._leases is not None:  # a beat under way has to end before its connection is closed
                await asyncio.to_thread(self._leases.close, 2 * self._app.config.call_timeout + 1)
            await hooks.global_config_stop(global_config=link.global_config.backend)
            await hooks.storage_stop(storage=link.storage)
            await hooks.broker_stop(broker=link.broker)
            await link.close()
            await hooks.starter_stop(starter=self)

    def _joined(self, owner: str, number: int) -> None:
        """The worker has begun an incarnation: whoever renews its lease is told."""
        if self._leases is not None:
            self._leases.hold(self.lease.cell, owner, number)
        if self._announce is not None:
            self._announce(owner, number)

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM,) if self._leases is None else (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._leases is None:  # under a supervisor
            self.worker.stop()
        elif self.worker.stopping:
            log.warning("Second signal: stopping at once; what runs goes back to its queue.")
            self.worker.stop(0)
        else:
            log.info("Stopping on %s: running tasks have %g s to finish.", number.name, self._app.config.grace)
            self.worker.stop()


def _loop_factory() -> Any:
    """The loop of uvloop where the extra is installed, asyncio's own elsewhere."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
