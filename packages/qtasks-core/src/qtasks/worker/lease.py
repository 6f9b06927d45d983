"""The lease of one worker incarnation, and who renews it.

It is never renewed by the event loop: a blocked loop must not lose its tasks. Under a supervisor the
parent process renews, and its confirmations reach the worker through shared memory; without one a
thread of the starter does (`supervisor/leases.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

BEATS_PER_LEASE = 3
"""A lease is renewed three times within its length: one lost beat costs nothing."""

CELL_BYTES = 24
"""The size of the memory behind a `Cell`."""


class Cell:
    """What a worker and its supervisor tell each other without a word: confirmations, and signs of life.

    Three integers of 64 bits. Each is stored at once, so that the other process never reads half of one.

    Args:
        memory: `CELL_BYTES` writable bytes, shared with the supervisor where there is one.
    """

    def __init__(self, memory: Any = None) -> None:
        self._words = memoryview(bytearray(CELL_BYTES) if memory is None else memory).cast("q")

    def confirm(self, at_ns: int, number: int) -> None:
        """Note a confirmed beat.

        Args:
            at_ns: `time.monotonic_ns` before the beat was sent.
            number: of which incarnation.
        """
        self._words[0] = at_ns
        self._words[1] = number

    def confirmed_ns(self, number: int) -> int:
        """When the last confirmed beat of an incarnation was sent; 0 when there was none."""
        return self._words[0] if self._words[1] == number else 0

    def step(self) -> None:
        """Leave a sign of life."""
        self._words[2] += 1

    @property
    def steps(self) -> int:
        """How many signs of life there were."""
        return self._words[2]


class Lease:
    """What a worker knows of its claim.

    Args:
        lease_s: how long it holds after a confirmation, seconds.
        cell: where confirmations appear; its own when None.

    Attributes:
        owner: the incarnation.
        number: counts the incarnations of this worker, from 1.
    """

    def __init__(self, lease_s: float, cell: Cell | None = None) -> None:
        self.lease_s = lease_s
        self.owner = ""
        self.number = 0
        self.cell = cell or Cell()
        self._joined_ns = 0
        self._lost = False
        self._safe_ns = round(lease_s * (1 - 1 / (2 * BEATS_PER_LEASE)) * 1e9)

    def renew(self) -> str:
        """Begin a new incarnation, as of now. Returns the new owner."""
        self.owner = os.urandom(16).hex()
        self.number += 1
        self._joined_ns = time.monotonic_ns()
        self._lost = False
        return self.owner

    def lose(self) -> None:
        """Give the claim up: only a new incarnation is held again."""
        self._lost = True

    def held(self) -> bool:
        """True while the claim surely stands: nothing may be started otherwise.

        Once it is lost it stays so, even if a late beat is confirmed: what was dropped meanwhile must not look owned.
        """
        confirmed_ns, joined_ns = self.cell.confirmed_ns(self.number), self._joined_ns
        last_ns = confirmed_ns if confirmed_ns > joined_ns else joined_ns  # noqa: FURB136 - twice as fast as max()
        if time.monotonic_ns() >= last_ns + self._safe_ns:
            self._lost = True
        return not self._lost


Announce = Callable[[str, int], None]
"""Called with each new owner and its number: how a supervisor learns whom to beat for."""

Retiring = Callable[[], None]
"""Called when a worker begins to retire: how a supervisor learns that it is to start another one."""
