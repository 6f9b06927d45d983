"""Requests to cancel what this worker has in hand: heard as soon as the broker tells of them, and passed on.

What runs is interrupted; what waits for a slot is asked for here before it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtasks.errors import BackendError
from qtasks.executor.execution import Interrupt
from qtasks.worker.backoff import Backoff
from qtasks.worker.lease import BEATS_PER_LEASE

if TYPE_CHECKING:
    from qtasks.worker.worker import Worker


class Requests:
    """What one worker was asked to cancel.

    Attributes:
        reasons: by the task's id.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.reasons: dict[str, str] = {}

    async def run(self) -> None:
        """Listen and pass on, until cancelled."""
        worker, backoff = self._worker, Backoff()
        while True:
            owner, wait_s = worker.lease.owner, worker.lease.lease_s / BEATS_PER_LEASE
            try:
                requests = await worker.link.broker.cancel_requests(owner, set(self.reasons), wait_s)
            except BackendError as error:
                backoff.note("Requests to cancel cannot be heard", error)
                await backoff.sleep()
                continue
            backoff.reset()
            if requests:
                self._pass_on(requests)
            else:  # not before all is quiet: what was taken and has not arrived yet would be told at once again
                held = {delivery.id for delivery in worker.in_hand.values()}
                self.reasons = {task_id: reason for task_id, reason in self.reasons.items() if task_id in held}

    def _pass_on(self, requests: dict[str, str]) -> None:
        self.reasons |= requests  # first: what starts meanwhile finds it
        for run in [*self._worker.coroutines.running, *self._worker.threads.running]:
            if run.delivery.id in requests and self._worker.owns(run.delivery):
                run.reason = requests[run.delivery.id]
                run.interrupt(Interrupt.CANCEL)
