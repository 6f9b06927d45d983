"""The conformance suite catches the bugs that are planted into a good broker."""

import itertools

import pytest
from conformance.broker import BrokerConformance
from conformance.harness import FrozenClock, Rig
from conformance.mutants import CAUGHT_BY, SpoiledPlace
from conformance.state_machine import SETTINGS, queue_machine
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.storage import MemoryStorage

numbers = itertools.count()


class MemoryPlace:
    def __init__(self):
        self.url = f"memory://mutant-{next(numbers)}"

    def connect(self, context):
        return MemoryBroker.from_url(self.url, context), MemoryStorage.from_url(self.url, context)


CLAIMS = [pytest.param(bug, claim, id=f"{bug.__name__}-{claim}") for bug in CAUGHT_BY for claim in CAUGHT_BY[bug]]


def check(claim, place):
    rig = Rig(place, "async", FrozenClock())
    try:
        getattr(BrokerConformance(), claim)(rig)
    finally:
        rig.close()


@pytest.mark.parametrize(("bug", "claim"), CLAIMS)
def test_claim_fails_when_the_bug_is_planted_and_holds_without_it(bug, claim):
    check(claim, MemoryPlace())
    with pytest.raises((AssertionError, ValueError)):
        check(claim, SpoiledPlace(MemoryPlace(), bug))


@pytest.mark.parametrize("bug", CAUGHT_BY, ids=lambda bug: bug.__name__)
def test_state_machine_finds_the_planted_bug(bug):
    fixed = settings(SETTINGS, max_examples=300, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(queue_machine(lambda: SpoiledPlace(MemoryPlace(), bug), "async"), settings=fixed)
