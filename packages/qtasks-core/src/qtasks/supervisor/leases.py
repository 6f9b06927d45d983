"""The leases of the living are renewed here, those of the dead are ended: all that the supervisor asks of the broker.

A worker without a supervisor has its own renewed here, too.

In a thread of its own, so that a broker that does not answer keeps nobody from hearing signals and deaths.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

import attrs

from qtasks.errors import in_a_line
from qtasks.runtime import Runtime
from qtasks.supervisor.losses import tell
from qtasks.worker.lease import BEATS_PER_LEASE, Cell

log = logging.getLogger("qtasks.supervisor")


@attrs.frozen
class _End:
    """An incarnation that is over.

    Args:
        owner: which one.
        death: how it died; None when that counts for nothing.
        moot_at: when its lease has ended by itself, `time.monotonic`.
    """

    owner: str
    death: str | None
    moot_at: float


class Leases(threading.Thread):
    """Beats for all worker processes in one call, and hands back what dead ones had.

    Args:
        runtime: the application's parts.
        typed: makes a command line of the words of a command, for those that the log names.
    """

    def __init__(self, runtime: Runtime, typed: Callable[[str], str] = "qtasks {}".format) -> None:
        super().__init__(name="qtasks-leases", daemon=True)
        self._runtime = runtime
        self._typed = typed
        self._lease_s = runtime.config.lease
        self._held: dict[Cell, tuple[str, int]] = {}
        self._ends: queue.SimpleQueue[_End | None] = queue.SimpleQueue()
        self._late: list[_End] = []

    def hold(self, cell: Cell, owner: str, number: int) -> None:
        """Renew an incarnation from now on, instead of an earlier one that had the same cell."""
        self._held[cell] = (owner, number)

    def end(self, cell: Cell, death: str | None) -> None:
        """Renew it no more and hand back its tasks at once.

        Args:
            cell: of which process.
            death: how it died, to be counted for its tasks; None counts nothing.
        """
        held = self._held.pop(cell, None)
        if held is not None:
            self._ends.put(_End(held[0], death, time.monotonic() + self._lease_s))

    def close(self, timeout_s: float) -> bool:
        """Stop beating once everything is handed back. Returns False when it could not be."""
        self._ends.put(None)
        self.join(timeout_s)
        return not self.is_alive() and not self._late

    def run(self) -> None:
        """Beat, and hand back, until closed."""
        beat_s = self._lease_s / BEATS_PER_LEASE
        next_beat = time.monotonic()
        while True:
            try:
                end = self._ends.get(timeout=max(0.0, next_beat - time.monotonic()))
            except queue.Empty:
                next_beat = time.monotonic() + beat_s
                self._beat()
                self._hand_back_late()
                continue
            if end is None:
                self._hand_back_late()
                return
            self._hand_back(end)

    def _beat(self) -> None:
        held, at_ns = dict(self._held), time.monotonic_ns()
        owners = [owner for owner, _ in held.values()]
        try:
            confirmed = self._runtime.run_blocking(lambda link: link.broker.beat(owners), fires_hooks=False)
        except Exception as error:  # noqa: BLE001 - whatever happens, the next beat must come
            log.warning("The leases could not be renewed: %s", in_a_line(error))
            return
        for cell, (owner, number) in held.items():
            if owner in confirmed:
                cell.confirm(at_ns, number)

    def _hand_back(self, end: _End) -> None:
        try:
            ids = self._runtime.run_blocking(
                lambda link: link.broker.release(end.owner, death=end.death), fires_hooks=False
            )
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("The tasks of a dead worker could not be handed back yet: %s", in_a_line(error))
            self._late.append(end)
            return
        try:
            if ids:
                self._runtime.run_blocking(lambda link: tell(link, ids, end.death, self._typed), fires_hooks=False)
        except Exception as error:  # noqa: BLE001 - as above; the tasks are back all the same
            log.warning("Handed back %d from a dead worker. Which, cannot be told: %s", len(ids), in_a_line(error))

    def _hand_back_late(self) -> None:
        late, self._late = self._late, []
        for end in late:
            if time.monotonic() < end.moot_at:
                self._hand_back(end)
