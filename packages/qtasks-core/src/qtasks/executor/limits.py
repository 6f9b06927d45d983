"""Ending blocking code before its time: an exception raised in the thread that runs it.

`PyThreadState_SetAsyncExc` raises at the thread's next bytecode. A lock per call keeps it from landing
after the function has returned. A blocking C call ends first: it keeps its slot until then. As with the
cancellation of a coroutine, `except Exception` does not hold it up, and who swallows it is over time all the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks.executor.execution import Run


class ThreadTimeLimitExceeded(BaseException):
    """What is raised in the thread; `TimeLimitExceeded` is told in its place."""


def call_interruptible(run: Run, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call a function that blocks, until it returns, its run has no time left, or `run.strike` is called.

    Raises:
        ThreadTimeLimitExceeded: in the function, when the time is up; here, when it returned in spite of it.
        CancelledError: in the function, when somebody cancels the run; here, when that was before the call.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    struck: type[BaseException] | None = None
    ended = False

    def strike(exception: type[BaseException]) -> None:
        nonlocal struck
        with lock:
            if not ended and struck is None:
                struck = exception
                _raise_in(thread, exception)

    timer = None
    if (left_s := run.left_s) is not None:
        timer = threading.Timer(left_s, strike, [ThreadTimeLimitExceeded])
        timer.daemon = True
        timer.start()
    run.strike = strike
    try:
        if run.interrupted is not None:  # asked after that: whoever interrupts writes it first, and then looks here
            raise asyncio.CancelledError
        result = function(*args, **kw)
    finally:
        with lock:
            ended = True
            if struck is not None:
                _raise_in(thread, None)  # takes back what has not landed yet
        run.strike = None
        if timer is not None:
            timer.cancel()
    if struck is ThreadTimeLimitExceeded:
        raise struck
    return result


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    raised = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
