"""What connects a worker process with its supervisor: a socket that tells each the death of the other.

The worker process sends notices, one line of JSON each. Nothing is ever sent the other way: when the
supervisor dies, or closes its end because there is no time left, the worker process stops at once.
"""

from __future__ import annotations

import mmap
import os
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from qtasks.worker.lease import CELL_BYTES, Cell

LAST_S = 1.3
"""How long a worker process may still hand back its tasks when it must stop at once."""


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker process tells its supervisor.

    Args:
        owner: its incarnation from now on.
        number: the number of that incarnation.
        retiring: it takes no more tasks, another one is to start.
        done: it has handed back everything; whatever becomes of it now is no crash.
        error: why it cannot start or go on.
    """

    owner: str = ""
    number: int = 0
    retiring: bool = False
    done: bool = False
    error: str = ""


class Lifeline(threading.Thread):
    """The end of the connection that the worker process holds; the thread waits for the end of the other.

    Args:
        descriptor: the inherited socket.

    Attributes:
        stop: called when the worker has to stop at once; the process ends `LAST_S` later in any case.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="qtasks-lifeline", daemon=True)
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self.stop: Callable[[], None] = lambda: None

    def tell(self, notice: Notice) -> None:
        """Send a notice. When the supervisor is gone nobody misses it."""
        try:
            self._socket.sendall(msgspec.json.encode(notice) + b"\n")
        except OSError:
            return

    def run(self) -> None:
        """Wait for the end of the connection, then end the process, even one whose event loop is blocked."""
        self._socket.recv(1)
        self.stop()
        time.sleep(LAST_S)
        os._exit(1)


def shared_cell(descriptor: int) -> Cell:
    """The cell in a file of `CELL_BYTES` that both processes have open."""
    return Cell(mmap.mmap(descriptor, CELL_BYTES))
