"""How coroutines wait on an event loop. The one file here that needs asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import AbstractEventLoop, Future

from qtasks.backends.sqlite.doorbell import Doorbell


class LoopBell(Doorbell):
    """A doorbell for all coroutines of the running loop."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[Future[bool], str] = {}
        with contextlib.suppress(NotImplementedError):  # Windows: they look once per POLL_S only
            self._loop.add_reader(self.socket.fileno(), self._rung)

    @staticmethod
    def caller() -> AbstractEventLoop:
        """The running loop."""
        return asyncio.get_running_loop()

    @staticmethod
    async def pause(pause_s: float) -> None:
        """Let some time pass; other coroutines go on."""
        await asyncio.sleep(pause_s)

    async def heard(self, name: str, timeout_s: float) -> bool:
        """Wait until a name is rung; False when time is up."""
        listener: Future[bool] = self._loop.create_future()
        self._listeners[listener] = name
        timer = self._loop.call_later(timeout_s, _answer, listener, False)
        try:
            return await listener
        finally:
            timer.cancel()
            del self._listeners[listener]

    def _rung(self) -> None:
        names = self.receive()
        for listener, name in self._listeners.items():
            if names is None or name in names:
                _answer(listener, True)

    def is_abandoned(self) -> bool:
        """True when its loop is closed."""
        return self._loop.is_closed()

    def close(self) -> None:
        """Leave the loop and free the socket."""
        if not self._loop.is_closed():
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_reader(self.socket.fileno())
        super().close()


def _answer(listener: Future[bool], rung: bool) -> None:
    if not listener.done():
        listener.set_result(rung)
