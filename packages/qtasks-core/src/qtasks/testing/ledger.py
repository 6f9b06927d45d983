"""The queue of a world: it notes what comes and goes, keeps runs apart, and tells when nothing is left to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from qtasks.backends.memory import machine
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.state import State, Task
from qtasks.backends.memory.store import Store
from qtasks.message import Delivery, Envelope, Outcome, Record, StreamItem
from qtasks.ports import BackendContext


class Ledger(Store):
    """A store that remembers.

    Args:
        context: whose clock it uses.
        concurrency: how many tasks may run at a time.
        move_on: asked when nothing is left to do at this moment; True when there is something now.
    """

    def __init__(self, context: BackendContext, concurrency: int, move_on: Callable[[], Awaitable[bool]]) -> None:
        super().__init__(context)
        self.concurrency = concurrency
        self.move_on = move_on
        self.added: list[Task] = []
        self.ended: list[Record] = []


class LedgerBroker(MemoryBroker):
    """A broker over a ledger. It hands over no more than may run at a time, whatever it is asked for."""

    store: Ledger

    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Accept messages, and note those that are new."""
        with self.store.step() as state:
            ids = machine.publish(state, envelopes)
            fresh = [one.message.id for known, one in zip(ids, envelopes, strict=True) if one.message.id == known]
            self.store.added += [state.tasks[task_id] for task_id in fresh]
            return ids

    async def take(
        self, owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        """Hand over what is due; where nothing runs and nothing is due, move on to where something is."""

        def answer(state: State) -> list[Delivery] | None:
            room = self.store.concurrency - _busy(state)
            return machine.take(state, owner, queues, max(0, min(limit, room)), in_hand) or None

        while True:
            deliveries = await self._until(answer, wait_s if limit else 0) or []
            with self.store.step() as state:
                busy = _busy(state)
            if busy or not limit or not await self.store.move_on():
                return deliveries

    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Write outcomes, and note the tasks that ended."""
        with self.store.step() as state:
            mine = [state.tasks[one.delivery.id] for one in outcomes if one.delivery.id in state.tasks]
            refused = machine.finish(state, owner, outcomes, items)
            records = [task.record for task in mine if task.record.id not in refused]
            self.store.ended += [record for record in records if record.status.terminal]
            return refused


def _busy(state: State) -> int:
    return sum(len(owner.tasks) for owner in state.owners.values())
