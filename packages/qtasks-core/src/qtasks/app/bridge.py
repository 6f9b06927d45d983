"""The background loop for blocking callers that cannot be driven: one thread per process, made when needed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from qtasks.errors import WouldSuspendError

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_pid = 0


def run_on_background_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the process's background loop and wait for it. A fork gets a loop of its own.

    Raises:
        WouldSuspendError: the caller is on that loop, which would wait for itself for ever.
    """
    if threading.current_thread() is _thread:
        coroutine.close()
        raise WouldSuspendError(
            "A blocking call was made on the event loop that runs asynchronous hooks.",
            "In an `async def` hook use the awaitable face: `from qtasks.asyncio import QueueTasks`.",
        )
    return asyncio.run_coroutine_threadsafe(coroutine, _background_loop()).result()


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread, _pid  # noqa: PLW0603 - one for the process
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            _thread = threading.Thread(target=_loop.run_forever, name="qtasks-bridge", daemon=True)
            _thread.start()
        return _loop
