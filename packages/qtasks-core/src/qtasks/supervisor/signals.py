"""The signals that stop `qtasks run`, and how they are handled for a while. Light to import: they may come early."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

PARENTS_SIGNALS = frozenset({signal.SIGINT, signal.SIGHUP})
"""What a terminal sends to the whole group of processes. It is the supervisor's; worker processes ignore it."""

STOP_SIGNALS = PARENTS_SIGNALS | {signal.SIGTERM}


@contextlib.contextmanager
def handled(handler: Callable[[int, object], None], *more: signal.Signals) -> Iterator[None]:
    """Handle the signals that stop, and more. Call it in the main thread.

    Those that stop and were ignored when the process started, as under `nohup`, stay ignored.
    """
    numbers = [*more, *(each for each in STOP_SIGNALS if signal.getsignal(each) is not signal.SIG_IGN)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def end_at_once(number: int, _frame: object) -> None:
    """End the program while there is nothing to stop yet, or any more."""
    # No exception: whatever is being imported could catch it, or print it.
    os.write(2, f"Stopped by {signal.Signals(number).name}: no worker runs.\n".encode())
    os._exit(0)
