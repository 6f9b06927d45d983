"""The conformance suite of brokers that work beside somebody else's storage: messages only, no records.

It has the claims of `BrokerConformance` that look at the broker alone, some of which are here, and, without records,
those about ownership that are told by records there.
"""

from __future__ import annotations

import pytest
from qtasks.message import Delivery, ErrorInfo
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.conformance.control import Pausing
from qtasks_testkit.conformance.leases import Fencing, Leases, Releasing
from qtasks_testkit.conformance.lifecycle import LifeCycle
from qtasks_testkit.conformance.taking import HandingOver, LostReplies, Order
from qtasks_testkit.conformance.waiting import WaitingForTasks
from qtasks_testkit.rig import NO_MESSAGE, OpenRig, Rig


def told(delivery: Delivery) -> tuple[int, int, bool]:
    """What a delivery tells of the task's past: attempts, counted deaths, and whether it was recovered."""
    return delivery.attempt, delivery.crashes, delivery.recovered


class Messages(Conformance):
    """Claims about `publish` and about what is handed over."""

    def test_message_is_handed_over_with_its_own_bytes(self, rig: Rig) -> None:
        envelope = rig.envelope()
        assert rig.broker.publish([envelope]) == [envelope.message.id]
        [delivery] = rig.worker().take()
        assert (delivery.id, delivery.payload) == (envelope.message.id, envelope.payload)

    @pytest.mark.parametrize("payload", [b'{ "v": 1, "of_the_future": [1] }\n', b"", b"\xff\x00\xfe"])
    def test_bytes_that_are_no_envelope_are_handed_over_as_they_are(self, rig: Rig, payload: bytes) -> None:
        task = rig.add(payload=payload)
        [delivery] = rig.worker().take()
        assert (delivery.id, delivery.payload) == (task, payload)

    def test_bad_batch_leaves_nothing_in_the_queue(self, rig: Rig) -> None:
        with pytest.raises(AttributeError):
            rig.broker.publish([rig.envelope(), NO_MESSAGE])
        assert rig.worker().take(5) == []

    def test_ids_come_back_in_the_order_of_the_batch(self, rig: Rig) -> None:
        envelopes = [rig.envelope(queue=queue) for queue in ("b", "a", "b")]
        assert rig.broker.publish(envelopes) == [envelope.message.id for envelope in envelopes]
        assert rig.broker.publish([]) == []

    def test_message_published_again_before_its_end_is_not_added(self, rig: Rig) -> None:
        envelope = rig.envelope()
        for _ in range(2):
            assert rig.broker.publish([envelope]) == [envelope.message.id]
        worker = rig.worker()
        [delivery] = worker.take(5)
        assert rig.broker.publish([envelope, envelope]) == [envelope.message.id] * 2
        assert worker.take(5) == []
        assert worker.succeed(delivery) == []

    def test_delayed_message_is_never_early_and_holds_up_nobody(self, rig: Rig) -> None:
        task = rig.add(due_in_s=10)
        other = rig.add()
        worker = rig.worker(lease_s=60)
        rig.clock.advance(9.999)
        worker.beat()
        assert [delivery.id for delivery in worker.take(5)] == [other]
        rig.clock.advance(0.001)
        assert [delivery.id for delivery in worker.take(5)] == [task]

    def test_namespaces_have_queues_of_their_own(self, rig: Rig, open_rig: OpenRig) -> None:
        other = open_rig(namespace="other")
        task = rig.add()
        assert other.worker().take() == []
        assert [delivery.id for delivery in rig.worker().take()] == [task]

    def test_message_that_waits_outlives_the_connection(self, rig: Rig, open_rig: OpenRig) -> None:
        task = rig.add()
        rig.broker.close()
        assert [delivery.id for delivery in open_rig().worker().take()] == [task]
        rig.broker.open()

    def test_purge_takes_what_waits_and_leaves_what_runs(self, rig: Rig) -> None:
        rig.add_many(3)
        other = rig.add(queue="other")
        worker = rig.worker()
        [running] = worker.take()
        assert rig.broker.purge("default") == 2
        assert [delivery.id for delivery in worker.take(5, ["default", "other"])] == [other]
        assert worker.succeed(running) == []


class Ownership(Conformance):
    """Claims about deliveries that come back, and about outcomes that come too late."""

    def gone(self, rig: Rig, delivery: Delivery) -> bool:
        """Nothing is left of a task: no worker gets it again, and nobody can write to it."""
        rig.clock.advance(3600)
        return rig.worker().take(5) == []

    @pytest.mark.parametrize("status", ["success", "error", "cancel", "dead", "expired"])
    def test_task_that_ended_does_not_come_again(self, rig: Rig, status: str) -> None:
        rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        outcome = rig.outcome(delivery, TaskStatus(status))
        assert worker.finish(outcome) == []
        assert worker.finish(outcome) == [delivery.id]
        assert self.gone(rig, delivery)

    def test_retry_counts_the_attempt_and_a_hand_back_counts_nothing(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker()
        worker.hand_back(*worker.take())
        [delivery] = worker.take()
        assert told(delivery) == (0, 0, False)
        worker.retry(delivery, error=ErrorInfo("ValueError", "no"))
        [again] = worker.take()
        assert told(again) == (1, 0, False)
        assert again.token > delivery.token

    @pytest.mark.parametrize("status", ["retry", "new"])
    def test_task_put_back_for_later_is_not_handed_over_before(self, rig: Rig, status: str) -> None:
        task = rig.add()
        worker = rig.worker(lease_s=60)
        [delivery] = worker.take()
        worker.finish(rig.outcome(delivery, TaskStatus(status), due=rig.clock.wall_us() + 30_000_000))
        rig.clock.advance(29)
        assert worker.take() == []
        rig.clock.advance(1)
        assert [delivery.id for delivery in worker.take()] == [task]

    def test_tasks_of_a_lost_lease_go_to_the_next_uncounted(self, rig: Rig) -> None:
        task = rig.add()
        for _ in range(5):
            late = rig.worker(lease_s=15)
            [delivery] = late.take()
            rig.clock.advance(16)
            rig.clean_up()
            assert late.succeed(delivery) == [task]
        [delivery] = rig.worker().take()
        assert told(delivery) == (0, 0, True)

    def test_outcome_is_refused_once_the_lease_is_over(self, rig: Rig) -> None:
        task = rig.add()
        late = rig.worker(lease_s=15)
        [delivery] = late.take()
        rig.clock.advance(16)
        assert late.retry(delivery) == [task]
        rig.clean_up()
        assert late.succeed(delivery) == [task]
        [again] = rig.worker().take()
        assert told(again) == (0, 0, True)

    def test_outcome_of_an_earlier_owner_or_delivery_is_refused(self, rig: Rig) -> None:
        task = rig.add()
        worker, thief = rig.worker(), rig.worker()
        [earlier] = worker.take()
        assert thief.succeed(earlier) == [task]
        worker.hand_back(earlier)
        [delivery] = worker.take()
        assert worker.fail(earlier) == [task]
        assert worker.succeed(delivery) == []
        assert self.gone(rig, delivery)

    def test_one_refused_outcome_does_not_hold_up_the_others(self, rig: Rig) -> None:
        _, second, _ = rig.add_many(3)
        worker = rig.worker()
        deliveries = worker.take(3)
        worker.hand_back(deliveries[1])
        assert worker.finish(*map(rig.outcome, deliveries)) == [second]
        assert [delivery.id for delivery in worker.take(5)] == [second]

    def test_stream_value_of_a_lost_delivery_is_refused(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        assert worker.stream(delivery, b"1") == []
        worker.leave()
        assert worker.stream(delivery, b"2", offset=1) == [task]

    def test_deaths_are_told_to_the_next_owner(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.take()
        assert worker.die() == [task]
        assert worker.die() == []
        [delivery] = rig.worker().take()
        assert told(delivery) == (0, 1, True)

    def test_what_was_lost_on_the_way_is_handed_over_again(self, rig: Rig) -> None:
        kept, lost = rig.add_many(2)
        worker = rig.worker()
        in_hand, _ = worker.take(2)
        [again] = worker.take(5, in_hand=[in_hand])
        assert (in_hand.id, again.id, told(again)) == (kept, lost, (0, 0, False))
        assert worker.finish(rig.outcome(in_hand), rig.outcome(again)) == []


class NeverDropping(Conformance):
    """The claim that a broker without records leaves the end of a task to workers."""

    def test_task_is_handed_over_however_often_its_workers_died(self, rig: Rig) -> None:
        task = rig.add()
        crashes = []
        for _ in range(5):
            worker = rig.worker()
            [delivery] = worker.take()
            crashes.append(delivery.crashes)
            assert worker.die() == [task]
        assert crashes == [0, 1, 2, 3, 4]


class Depths(Conformance):
    """Claims about `inspect`, of what a broker knows without records."""

    def test_figures_tell_what_waits_and_what_runs(self, rig: Rig) -> None:
        rig.add_many(4)
        rig.add(queue="another")
        worker = rig.worker()
        first, second, _ = worker.take(3)
        worker.succeed(first)
        worker.retry(second, due=rig.clock.wall_us() + 60_000_000)
        rig.clock.advance(3)
        facts = rig.queue()
        assert (facts.ready, facts.delayed, facts.running) == (1, 1, 1)
        assert facts.oldest_s == pytest.approx(3, abs=0.01)
        assert [facts.name for facts in rig.broker.inspect()] == ["another", "default"]


class SplitBrokerConformance(
    Messages,
    Ownership,
    NeverDropping,
    Depths,
    LifeCycle,
    Order,
    HandingOver,
    LostReplies,
    Leases,
    Fencing,
    Releasing,
    Pausing,
    WaitingForTasks,
):
    """Everything that `qtasks.ports.Broker` promises of messages; what it promises of records is skipped."""
