"""One queue under everything that may happen to it, in any order: the invariants hold after every step.

Hypothesis draws the steps: tasks come, are taken, finished, retried, cancelled; workers die, leave, vanish
until their lease is over, and answer too late; answers get lost; time goes by. After every step the records
and the figures are compared with `model.py`. The invariants are those of the reliability document: every
accepted task ends once (I1) and for a reason (I2), none runs twice while its owner lives (I3), results come
with their success and never change (I4), who lost its lease changes nothing (I5), three counted deaths and no
innocent victims (I6), nothing is left over (I9), nothing is early (I10), order within a priority (I12).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from qtasks.message import Delivery, Outcome
from qtasks.ports import CancelAnswer, Capabilities
from qtasks.types import US_PER_S, TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.machine.model import KEPT_AT_LEAST_S, Expected, Model
from qtasks_testkit.rig import FrozenClock, NewPlace, Place, Rig, Worker

EXAMPLES = int(os.environ.get("QTASKS_HYPOTHESIS_EXAMPLES", "60"))
"""How many sequences of steps are tried."""

SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

QUEUES = ("a", "b")
LEASE_S = 15
WORKERS = 3
REMEMBERED = 12
"""Of how many deliveries an outcome may come."""

picks = st.integers(0, 999)
"""One of however many there are."""
losses = st.sampled_from([False, False, True])
"""Whether the answer to a call gets lost."""
specs = st.fixed_dictionaries(
    {
        "queue": st.sampled_from(QUEUES),
        "priority": st.sampled_from([0, 0, 0, -1, 1, 5]),
        "due_in_s": st.sampled_from([0] * 8 + [1, 4, 300]),
        "expires_in_s": st.sampled_from([0] * 8 + [2, 20]),
        "unique": st.sampled_from([None] * 6 + ["red", "blue"]),
    }
)
ends = st.sampled_from([*["success"] * 4, *["retry"] * 2, *["new"] * 2, "error", "cancel", "dead"])


def declared(spec: dict[str, Any], capabilities: Capabilities) -> dict[str, Any]:
    """Leave out what the broker does not declare, and keys of tasks that expire: nobody says when they are free."""
    spec = dict(spec)
    if not capabilities.delay:
        spec["due_in_s"] = 0
    if not capabilities.unique or spec["expires_in_s"]:
        spec["unique"] = None
    if capabilities.priority != "exact":
        sign = (spec["priority"] > 0) - (spec["priority"] < 0)
        spec["priority"] = sign if capabilities.priority == "bands" else 0
    return spec


class QueueMachine(RuleBasedStateMachine):
    """A broker with its storage, a few workers, and the model beside them."""

    new_place: ClassVar[Callable[[], Place]]
    face: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(type(self).new_place(), self.face, FrozenClock())
        self.model = Model()
        self.numbers = itertools.count(1)
        self.workers: list[Worker] = []
        self.unsure: set[str] = set()  # workers that lost the answer to a `take`
        self.known: dict[str, set[Delivery]] = {}  # what each worker knows to have
        self.deliveries: list[tuple[str, Delivery]] = []  # all that ever arrived, the stale ones too

    def teardown(self) -> None:
        self.rig.close()

    @property
    def now(self) -> int:
        return self.rig.clock.wall_us()

    def declares(self, capability: str) -> bool:
        return getattr(self.rig.capabilities, capability)

    def worker(self, pick: int) -> Worker:
        """Choose a worker; a new one as long as there are few."""
        if pick % WORKERS >= len(self.workers):
            self.workers.append(self.rig.worker(LEASE_S))
            self.known[self.workers[-1].owner] = set()
        return self.workers[pick % len(self.workers)]

    def beat(self) -> None:
        """Let every worker beat; with the housekeeping that belongs to it."""
        self.rig.clean_up()
        owners = {worker.owner for worker in self.workers}
        assert self.rig.broker.beat(owners) == owners
        self.model.clean_up(self.now)

    def take_from(
        self, worker: Worker, limit: int, queues: Sequence[str], in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        deliveries = worker.take(limit, queues, in_hand=in_hand)
        self.model.take(worker.owner, queues, limit, deliveries, self.now)
        return deliveries

    # What producers and operators do.

    @rule(batch=st.lists(specs, min_size=1, max_size=4), lost=losses)
    def publish(self, batch: list[dict[str, Any]], lost: bool) -> None:
        specs = [declared(spec, self.rig.capabilities) for spec in batch]
        envelopes = [self.rig.envelope(id=f"{next(self.numbers):032x}", **spec) for spec in specs]
        if lost:
            self.rig.broker.publish(envelopes)
        assert self.rig.broker.publish(envelopes) == [self.model.publish(envelope) for envelope in envelopes]

    @precondition(lambda self: self.model.tasks)
    @rule(
        what=st.sampled_from(["cancel", "cancel", "pause or resume", "purge"]),
        pick=picks,
        queue=st.sampled_from(QUEUES),
    )
    def operate(self, what: str, pick: int, queue: str) -> None:
        if what == "cancel" and self.declares("cancel"):
            self.cancel(list(self.model.tasks.values())[pick % len(self.model.tasks)])
        elif what == "pause or resume" and self.declares("pause"):
            self.pause_or_resume(queue)
        elif what == "purge":
            waiting = self.model.waiting(queue)
            assert self.rig.broker.purge(queue) == len(waiting)
            for task in waiting:
                del self.model.tasks[task.id]

    def pause_or_resume(self, queue: str) -> None:
        self.model.paused ^= {queue}
        self.rig.broker.set_paused(queue, queue in self.model.paused)

    def cancel(self, task: Expected) -> None:
        known = self.rig.find_record(task.id) is not None
        answer = self.rig.broker.cancel(task.id, "changed my mind")
        if task.end is not None:
            assert answer is (CancelAnswer.FINISHED if known else CancelAnswer.UNKNOWN)
        elif not task.waits:
            assert answer is CancelAnswer.REQUESTED
            assert self.rig.broker.cancel_requests(task.owner)[task.id] == "changed my mind"
            task.cancel_asked = True
        elif answer is not CancelAnswer.FINISHED or not task.expired(self.now):
            assert answer is CancelAnswer.CANCELLED
            task.close(TaskStatus.CANCEL, self.now)

    # What workers do.

    @rule(pick=picks, queues=st.permutations(QUEUES), limit=st.integers(0, 6), lost=losses)
    def take(self, pick: int, queues: list[str], limit: int, lost: bool) -> None:
        worker, in_hand = self.worker(pick), None
        if worker.owner in self.unsure:
            self.unsure.discard(worker.owner)
            in_hand = self.known[worker.owner]
            self.model.lose(worker.owner, self.now, in_hand=in_hand)
        deliveries = self.take_from(worker, limit, queues, in_hand)
        if lost:
            self.unsure.add(worker.owner)
            return
        self.receive(worker, deliveries)

    def receive(self, worker: Worker, deliveries: list[Delivery]) -> None:
        self.known[worker.owner] |= set(deliveries)
        self.deliveries = [*self.deliveries, *((worker.owner, delivery) for delivery in deliveries)][-REMEMBERED:]

    @precondition(lambda self: self.deliveries)
    @rule(
        batch=st.lists(st.tuples(picks, ends), min_size=1, max_size=3),
        stale=losses,
        later_s=st.sampled_from([0, 0, 3]),
        keep_s=st.sampled_from([0, 60, 86_400]),
        lost=losses,
    )
    def finish(self, batch: list[tuple[int, str]], stale: bool, later_s: int, keep_s: int, lost: bool) -> None:
        deliveries = self.deliveries if stale else self.live_deliveries() or self.deliveries
        for owner, outcomes in self.outcomes(deliveries, batch, later_s, keep_s).items():
            worker = Worker(owner, self.rig)
            refused = {outcome.delivery.id for outcome in outcomes if not self.model.finish(owner, outcome, self.now)}
            assert set(worker.finish(*outcomes)) == refused
            if lost:
                assert set(worker.finish(*outcomes)) == {outcome.delivery.id for outcome in outcomes}
            self.known[owner] -= {outcome.delivery for outcome in outcomes}

    def live_deliveries(self) -> list[tuple[str, Delivery]]:
        owned = {task.delivery for task in self.model.tasks.values() if task.owner is not None}
        return [(owner, delivery) for owner, delivery in self.deliveries if delivery in owned]

    def outcomes(
        self, deliveries: list[tuple[str, Delivery]], batch: list[tuple[int, str]], later_s: int, keep_s: int
    ) -> dict[str, list[Outcome]]:
        """Make an outcome of each delivery that was picked, by owner."""
        chosen = {deliveries[pick % len(deliveries)]: end for pick, end in batch}
        by_owner: dict[str, list[Outcome]] = {}
        for (owner, delivery), end in chosen.items():
            later = later_s and end in {"retry", "new"} and self.declares("delay")
            due = self.now + later_s * US_PER_S if later else 0
            outcome = self.rig.outcome(delivery, TaskStatus(end), due=due, keep_s=keep_s)
            by_owner.setdefault(owner, []).append(outcome)
        return by_owner

    @rule(
        pick=picks, how=st.sampled_from(["die", *["die with a task"] * 3, "leave", "vanish"]), heir_takes=st.booleans()
    )
    def part(self, pick: int, how: str, heir_takes: bool) -> None:
        worker = self.worker(pick)
        if how == "die with a task":
            self.take_from(worker, 1, QUEUES)
        self.workers.remove(worker)
        if how == "vanish":
            self.vanish(worker)
        elif how == "leave":
            assert set(worker.leave()) == self.model.lose(worker.owner, self.now)
        else:
            assert set(worker.die()) == self.model.lose(worker.owner, self.now, death=True)
        if heir_takes:
            self.receive(self.worker(pick), self.take_from(self.worker(pick), 3, QUEUES))
        self.answer_too_late(worker)
        assert not worker.beat()
        assert worker.is_sent_away()

    def vanish(self, worker: Worker) -> None:
        """Stay silent until the lease is over; answer before anybody noticed."""
        self.rig.clock.advance(LEASE_S - 5)
        self.beat()
        self.rig.clock.advance(6)
        self.answer_too_late(worker)
        self.beat()
        self.model.lose(worker.owner, self.now)
        self.model.clean_up(self.now)

    def answer_too_late(self, worker: Worker) -> None:
        for owner, delivery in self.deliveries:
            if owner == worker.owner:
                assert worker.succeed(delivery) == [delivery.id]

    # What time does.

    @rule(seconds=st.sampled_from([0.5, 1, 4, 4, 2 * KEPT_AT_LEAST_S]))
    def let_time_go_by(self, seconds: float) -> None:
        while seconds > LEASE_S and self.workers:
            self.part(0, "leave", heir_takes=False)
        self.rig.clock.advance(seconds)
        self.beat()

    @precondition(lambda self: len(self.model.tasks) > 8)
    @rule()
    def drain(self) -> None:
        """Everything that was accepted ends, once the workers get to it."""
        while self.workers:
            self.part(0, "leave", heir_takes=False)
        for queue in list(self.model.paused):
            self.pause_or_resume(queue)
        self.rig.clock.advance(300)
        self.beat()
        worker = self.worker(0)
        while deliveries := self.take_from(worker, 5, QUEUES):
            outcomes = [self.rig.outcome(delivery) for delivery in deliveries]
            assert worker.finish(*outcomes) == []
            assert all(self.model.finish(worker.owner, outcome, self.now) for outcome in outcomes)
        self.records_and_figures_agree()
        assert all(task.end for task in self.model.tasks.values())

    # What must hold after every step.

    @invariant()
    def records_and_figures_agree(self) -> None:
        self.model.check(self.rig.storage.get_many(list(self.model.tasks)), self.now)
        assert {record.id for record in self.rig.storage.find(limit=10_000)} == set(self.model.tasks)
        if self.declares("inspect"):
            for facts in self.rig.broker.inspect():
                self.model.check_figures(facts, self.now)


def queue_machine(place: Callable[[], Place], face: str) -> type[QueueMachine]:
    """The machine on new places of a backend, one for every sequence of steps."""
    return type("QueueMachineHere", (QueueMachine,), {"new_place": staticmethod(place), "face": face})


class StateMachineConformance(Conformance):
    """Everything at once, in any order."""

    @pytest.mark.timeout(60 + EXAMPLES)
    def test_queue_keeps_its_promises_whatever_happens(self, new_place: NewPlace, face: str) -> None:
        run_state_machine_as_test(queue_machine(new_place, face), settings=SETTINGS)
