"""How coroutines wait for a database on an event loop. The one file here that needs asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio import AbstractEventLoop, Future

from qtasks.backends.sqlite.doorbell import Doorbell


class LoopBell(Doorbell):
    """A doorbell for all coroutines of one loop.

    Args:
        directory: where the sockets of the database are.
        loop: which loop.
    """

    def __init__(self, directory: str, loop: AbstractEventLoop) -> None:
        super().__init__(directory)
        self.loop = loop
        self.listeners: dict[str, list[Future[bool]]] = {}
        with contextlib.suppress(NotImplementedError):  # Windows: they look once per POLL_S only
            loop.add_reader(self.socket.fileno(), self._wake)

    def _wake(self) -> None:
        keys = self.heard()
        for key in list(self.listeners) if keys is None else keys:
            for listener in self.listeners.get(key, ()):
                if not listener.done():
                    listener.set_result(True)

    def close(self) -> None:
        """Leave the loop and free the socket."""
        if not self.loop.is_closed():
            with contextlib.suppress(NotImplementedError):
                self.loop.remove_reader(self.socket.fileno())
        super().close()


class LoopWaiting:
    """Waits by suspending the calling coroutine; each loop has a doorbell of its own."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._bells: dict[tuple[int, int], LoopBell] = {}

    def _bell(self) -> LoopBell:
        loop = asyncio.get_running_loop()
        key = os.getpid(), id(loop)
        bell = self._bells.get(key)
        if bell is None or bell.loop is not loop:
            self._bury()
            bell = self._bells[key] = LoopBell(self._directory, loop)
        return bell

    def _bury(self) -> None:
        for key in [key for key, bell in self._bells.items() if bell.loop.is_closed() and key[0] == os.getpid()]:
            self._bells.pop(key).close()

    def address(self) -> str:
        """The running loop's."""
        return self._bell().address

    async def pause(self, pause_s: float) -> None:
        """Sleep; other coroutines go on."""
        await asyncio.sleep(pause_s)

    async def heard(self, key: str, timeout_s: float) -> bool:
        """Listen until the key is rung."""
        bell = self._bell()
        listener: Future[bool] = bell.loop.create_future()
        listeners = bell.listeners.setdefault(key, [])
        listeners.append(listener)
        timer = bell.loop.call_later(timeout_s, _give_up, listener)
        try:
            return await listener
        finally:
            timer.cancel()
            listeners.remove(listener)
            if not listeners:
                bell.listeners.pop(key, None)

    def close(self) -> None:
        """Free the doorbells of all loops."""
        for key in [key for key in self._bells if key[0] == os.getpid()]:
            self._bells.pop(key).close()


def _give_up(listener: Future[bool]) -> None:
    if not listener.done():
        listener.set_result(False)
