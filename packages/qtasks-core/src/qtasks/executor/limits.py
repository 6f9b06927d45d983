"""The time limit of blocking code: an exception raised in the thread that runs it.

`PyThreadState_SetAsyncExc` raises at the thread's next bytecode. A lock per call keeps it from landing
after the function has returned. A blocking C call ends first: it keeps its slot until then.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from qtasks.errors import TimeLimitExceeded


class ThreadTimeLimitExceeded(TimeLimitExceeded):
    """What is raised in the thread: made by the interpreter, without arguments."""

    def __init__(self) -> None:
        super().__init__("")


def call_limited(limit_s: float, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call a function that blocks, for at most so many seconds.

    Raises:
        ThreadTimeLimitExceeded: in the function, when the time is up.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    ended = False

    def strike() -> None:
        with lock:
            if not ended:
                _raise_in(thread, ThreadTimeLimitExceeded)

    timer = threading.Timer(limit_s, strike)
    timer.daemon = True
    timer.start()
    try:
        return function(*args, **kw)
    finally:
        with lock:
            ended = True
            _raise_in(thread, None)  # takes back what was struck but has not landed yet
        timer.cancel()


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    raised = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
