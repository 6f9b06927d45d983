"""The broker over a store: `machine.py` says what each method does."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qtasks.backends.memory import machine
from qtasks.backends.memory.store import MemoryComponent, method
from qtasks.message import Delivery
from qtasks.ports import Broker


class MemoryBroker(MemoryComponent, Broker):
    """Keeps messages in the process: for tests, and as the reference of what a broker does."""

    publish = method(machine.publish)
    join = method(machine.join)
    finish = method(machine.finish)
    release = method(machine.release)
    beat = method(machine.beat)
    cancel = method(machine.cancel)
    set_paused = method(machine.set_paused)
    inspect = method(machine.inspect)
    purge = method(machine.purge)

    async def take(
        self, owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        """Hand over what is due, or wait for it while the lease holds."""
        wait_s = wait_s if limit else 0
        return await self._until(lambda state: machine.take(state, owner, queues, limit, in_hand) or None, wait_s) or []

    async def cancel_requests(self, owner: str, known: Collection[str] = (), wait_s: float = 0.0) -> dict[str, str]:
        """Tell what an owner was asked to cancel, or wait for it."""
        return await self._until(lambda state: machine.cancel_requests(state, owner, known) or None, wait_s) or {}
