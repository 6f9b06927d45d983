"""Planted bugs: what a broker gets wrong that somebody wrote in a hurry. The suite must catch each.

Each function spoils a broker that keeps its promises, whatever its backend, by putting a worse method in the
place of a good one. `CAUGHT_BY` names the claims that must fail then; the state machine must fail on all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from qtasks.errors import LeaseLostError
from qtasks.message import Delivery, Outcome, StreamItem
from qtasks.ports import BackendContext, Broker, GlobalConfig, Storage


def do_not_fence(broker: Any) -> None:
    """Write an outcome of whoever brings it: what another owner has now, its late outcome ends."""
    take, finish = broker.take, broker.finish
    holders: dict[str, tuple[str, Delivery]] = {}

    async def remember(owner: str, *args: Any, **options: Any) -> list[Delivery]:
        deliveries: list[Delivery] = await take(owner, *args, **options)
        holders.update((delivery.id, (owner, delivery)) for delivery in deliveries)
        return deliveries

    async def write(owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        refused: list[str] = await finish(owner, outcomes, items)
        for outcome in outcomes:
            if outcome.delivery.id in refused and outcome.delivery.id in holders:
                holder, delivery = holders[outcome.delivery.id]
                if not await finish(holder, [replace(outcome, delivery=delivery)]):
                    refused.remove(outcome.delivery.id)
        return refused

    broker.take, broker.finish = remember, write


def acknowledge_before_the_result(broker: Any) -> None:
    """Acknowledge first and store the result after it; a worker that dies in between has lost the result."""
    finish = broker.finish

    async def write(owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        acknowledged: list[str] = await finish(owner, [replace(outcome, result=None) for outcome in outcomes], items)
        return acknowledged

    broker.finish = write


def do_not_hand_back(broker: Any) -> None:
    """Let the tasks of a released owner lie where they are."""

    async def release(owner: str, *, death: str | None = None) -> int:
        return 0

    broker.release = release


def do_not_reconcile(broker: Any) -> None:
    """Ignore what an owner says to have in hand."""
    take = broker.take

    async def forget(
        owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        deliveries: list[Delivery] = await take(owner, queues, limit, wait_s)
        return deliveries

    broker.take = forget


def answer_a_lost_lease_with_nothing(broker: Any) -> None:
    """Let an owner whose lease is lost believe that there is nothing to do."""
    take = broker.take

    async def hide(*args: Any, **options: Any) -> list[Delivery]:
        with suppress(LeaseLostError):
            deliveries: list[Delivery] = await take(*args, **options)
            return deliveries
        return []

    broker.take = hide


CAUGHT_BY: dict[Callable[[Broker], None], list[str]] = {
    do_not_fence: [
        "test_outcome_of_a_task_that_somebody_else_has_is_refused",
        "test_outcome_of_another_owners_delivery_is_refused",
        "test_delivery_that_was_reconciled_away_cannot_be_finished",
    ],
    acknowledge_before_the_result: [
        "test_success_is_stored_with_its_result",
        "test_result_is_stored_byte_by_byte",
    ],
    do_not_hand_back: [
        "test_hand_back_at_the_end_counts_for_nothing",
        "test_message_is_redelivered_when_its_worker_dies",
        "test_third_counted_death_makes_a_task_dead_with_the_notes",
    ],
    do_not_reconcile: [
        "test_tasks_of_a_lost_answer_come_again_uncounted",
        "test_what_is_not_in_hand_goes_back_even_when_nothing_can_be_taken",
        "test_take_of_nothing_only_reconciles_and_does_not_wait",
    ],
    answer_a_lost_lease_with_nothing: [
        "test_owner_that_never_joined_is_sent_away_at_once",
        "test_owner_that_lost_its_lease_is_sent_away_at_once",
    ],
}


class SpoiledPlace:
    """A place whose brokers have a planted bug; the event loop's view of them, not the blocking one."""

    def __init__(self, place: Any, bug: Callable[[Broker], None]) -> None:
        self._place = place
        self._bug = bug

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        broker, storage = self._place.connect(context)
        self._bug(broker)
        return broker, storage

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        return self._place.connect_config(context)
