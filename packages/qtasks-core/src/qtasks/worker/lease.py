"""The lease of one worker incarnation, and who renews it.

It is never renewed by the event loop: a blocked loop must not lose its tasks. Under a supervisor the
parent process renews, and its confirmations reach the worker through shared memory; without one a
daemon thread does.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from qtasks.errors import QTasksError
from qtasks.runtime import Runtime

BEATS_PER_LEASE = 3
"""A lease is renewed three times within its length: one lost beat costs nothing."""

_CELL = struct.Struct("=dq")
CELL_BYTES = _CELL.size
"""The size of the memory that carries confirmations: a time and the number of the incarnation."""

log = logging.getLogger("qtasks.worker")


class Lease:
    """What a worker knows of its claim.

    Args:
        lease_s: how long it holds after a confirmation, seconds.
        cell: writable memory of `CELL_BYTES`; shared with the supervisor where there is one.

    Attributes:
        owner: the incarnation.
        number: counts the incarnations of this worker, from 1.
    """

    def __init__(self, lease_s: float, cell: Any = None) -> None:
        self.lease_s = lease_s
        self.owner = ""
        self.number = 0
        self._cell = bytearray(CELL_BYTES) if cell is None else cell
        self._joined = 0.0
        self._margin_s = lease_s / (2 * BEATS_PER_LEASE)

    def renew(self) -> str:
        """Begin a new incarnation, as of now. Returns the new owner."""
        self.owner = os.urandom(16).hex()
        self.number += 1
        self._joined = time.monotonic()
        return self.owner

    def confirm(self, at: float, number: int) -> None:
        """Note a confirmed beat.

        Args:
            at: `time.monotonic` before the beat was sent.
            number: of which incarnation.
        """
        _CELL.pack_into(self._cell, 0, at, number)

    def held(self) -> bool:
        """True while the claim surely stands: nothing may be started otherwise."""
        confirmed, number = _CELL.unpack_from(self._cell)
        last = confirmed if number == self.number and confirmed > self._joined else self._joined
        return time.monotonic() < last + self.lease_s - self._margin_s


class BeatThread(threading.Thread):
    """Renews the lease of a worker without a supervisor, over a connection of its own."""

    def __init__(self, runtime: Runtime, lease: Lease) -> None:
        super().__init__(name="qtasks-beat", daemon=True)
        self._runtime = runtime
        self._lease = lease
        self._stopped = threading.Event()

    def run(self) -> None:
        """Beat until stopped; a failed beat is tried again at the next."""
        while not self._stopped.wait(self._lease.lease_s / BEATS_PER_LEASE):
            owner, number, at = self._lease.owner, self._lease.number, time.monotonic()
            try:
                confirmed = self._runtime.run_blocking(lambda link: link.broker.beat([owner]))  # noqa: B023
            except QTasksError as error:
                log.warning("The lease could not be renewed: %s", error)
                continue
            if owner in confirmed:
                self._lease.confirm(at, number)

    def stop(self) -> None:
        """End the thread soon."""
        self._stopped.set()


Announce = Callable[[str, int], None]
"""Called with each new owner and its number: how a supervisor learns whom to beat for."""
