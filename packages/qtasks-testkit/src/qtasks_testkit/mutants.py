"""Planted bugs: what a broker gets wrong that somebody wrote in a hurry. The suite must catch each.

A mutant wraps a broker that keeps its promises, of any backend, and breaks one. `CAUGHT_BY` names the claims that must
fail then; the state machine must fail on all. A backend's tests subclass `MutantConformance`: it shows that the suite
sees these bugs there, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Self, cast

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace
from qtasks.errors import LeaseLostError
from qtasks.message import Delivery, Outcome, StreamItem
from qtasks.ports import BackendContext, Broker, GlobalConfig, Storage

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.conformance.broker import BrokerConformance
from qtasks_testkit.machine import SETTINGS, queue_machine
from qtasks_testkit.rig import FrozenClock, NewPlace, Place, Rig


class Mutant:
    """A broker around a good one: what it does not define itself is the good one's.

    Args:
        broker: the good one.
    """

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def blocking(self) -> Self | None:
        """The blocking view has the same bug."""
        view = self._broker.blocking()
        return None if view is None else type(self)(view)


class DoesNotFence(Mutant):
    """Writes an outcome of whoever brings it: what another owner has now, its late outcome ends."""

    def __init__(self, broker: Any) -> None:
        super().__init__(broker)
        self._holders: dict[str, tuple[str, Delivery]] = {}

    async def take(self, owner: str, *args: Any, **options: Any) -> list[Delivery]:
        """Remember who has what."""
        deliveries: list[Delivery] = await self._broker.take(owner, *args, **options)
        self._holders.update((delivery.id, (owner, delivery)) for delivery in deliveries)
        return deliveries

    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Write what was refused in the name of who has it."""
        refused: list[str] = await self._broker.finish(owner, outcomes, items)
        for outcome in outcomes:
            if outcome.delivery.id in refused and outcome.delivery.id in self._holders:
                holder, delivery = self._holders[outcome.delivery.id]
                if not await self._broker.finish(holder, [replace(outcome, delivery=delivery)]):
                    refused.remove(outcome.delivery.id)
        return refused


class AcknowledgesBeforeTheResult(Mutant):
    """Acknowledges first and would store the result after it: as seen when the worker dies in between."""

    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Acknowledge without the results."""
        refused: list[str] = await self._broker.finish(owner, [replace(each, result=None) for each in outcomes], items)
        return refused


class DoesNotHandBack(Mutant):
    """Lets the tasks of a released owner lie where they are."""

    async def release(self, owner: str, *, death: str | None = None) -> Any:  # noqa: ARG002 - that is the bug
        """Release somebody who has nothing instead."""
        return await self._broker.release("0" * 32, death=death)


class DoesNotReconcile(Mutant):
    """Ignores what an owner says to have in hand after a lost reply."""

    async def take(
        self,
        owner: str,
        queues: Sequence[str],
        limit: int,
        wait_s: float,
        in_hand: Collection[Delivery] | None = None,  # noqa: ARG002 - that is the bug
    ) -> list[Delivery]:
        """Take as if nothing had happened."""
        deliveries: list[Delivery] = await self._broker.take(owner, queues, limit, wait_s)
        return deliveries


class HidesALostLease(Mutant):
    """Lets an owner whose lease is lost believe that there is nothing to do."""

    async def take(self, *args: Any, **options: Any) -> list[Delivery]:
        """Answer with nothing instead of the error."""
        with suppress(LeaseLostError):
            deliveries: list[Delivery] = await self._broker.take(*args, **options)
            return deliveries
        return []


CAUGHT_BY: dict[type[Mutant], list[str]] = {
    DoesNotFence: [
        "test_outcome_of_a_task_that_somebody_else_has_is_refused",
        "test_outcome_of_another_owners_delivery_is_refused",
        "test_delivery_that_was_reconciled_away_cannot_be_finished",
    ],
    AcknowledgesBeforeTheResult: [
        "test_success_is_stored_with_its_result",
        "test_result_is_stored_byte_by_byte",
    ],
    DoesNotHandBack: [
        "test_hand_back_at_the_end_counts_for_nothing",
        "test_message_is_redelivered_when_its_worker_dies",
        "test_third_counted_death_makes_a_task_dead_with_the_notes",
    ],
    DoesNotReconcile: [
        "test_tasks_of_a_lost_answer_come_again_uncounted",
        "test_what_is_not_in_hand_goes_back_even_when_nothing_can_be_taken",
        "test_take_of_nothing_only_reconciles_and_does_not_wait",
    ],
    HidesALostLease: [
        "test_owner_that_never_joined_is_sent_away_at_once",
        "test_owner_that_lost_its_lease_is_sent_away_at_once",
    ],
}


class MutantPlace:
    """A place whose brokers have a planted bug.

    Args:
        place: where the good ones are made.
        mutant: the bug.
    """

    def __init__(self, place: Place, mutant: type[Mutant]) -> None:
        self._place = place
        self._mutant = mutant

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        """A broker with the bug, and its good storage."""
        broker, storage = self._place.connect(context)
        return cast("Broker", self._mutant(broker)), storage

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        """A good global config."""
        return self._place.connect_config(context)


def check(claim: str, place: Place, face: str) -> None:
    """Make one claim of the suite at a place; raises what the claim raises."""
    rig = Rig(place, face, FrozenClock())
    try:
        getattr(BrokerConformance(), claim)(rig)
    finally:
        rig.close()


class MutantConformance(Conformance):
    """The suite catches the bugs that are planted into this backend."""

    @pytest.mark.parametrize(
        ("mutant", "claim"),
        [
            pytest.param(mutant, claim, id=f"{mutant.__name__}-{claim}")
            for mutant, claims in CAUGHT_BY.items()
            for claim in claims
        ],
    )
    def test_claim_fails_when_the_bug_is_planted_and_holds_without_it(
        self, new_place: NewPlace, face: str, mutant: type[Mutant], claim: str
    ) -> None:
        """Make the claim twice."""
        check(claim, new_place(), face)
        with pytest.raises((AssertionError, ValueError)):
            check(claim, MutantPlace(new_place(), mutant), face)

    @pytest.mark.parametrize("mutant", CAUGHT_BY, ids=lambda mutant: mutant.__name__)
    def test_state_machine_finds_the_planted_bug(self, new_place: NewPlace, mutant: type[Mutant]) -> None:
        """Let the machine run until it finds it, always in the same way."""
        fixed = settings(SETTINGS, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
        machine = queue_machine(lambda: MutantPlace(new_place(), mutant), "async")
        with pytest.raises(AssertionError):
            run_state_machine_as_test(machine, settings=fixed)
