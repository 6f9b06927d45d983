"""What a broker promises to producers: accepted once, whole, unchanged."""

from __future__ import annotations

import pytest
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.conformance.queue import Messages
from qtasks_testkit.rig import NO_MESSAGE, OpenRig, Rig


class Publishing(Messages):
    """Claims about `publish`, and what it means for records."""

    def test_accepted_message_is_a_new_task(self, rig: Rig) -> None:
        envelope = rig.envelope()
        assert rig.broker.publish([envelope]) == [envelope.message.id]
        record = rig.record(envelope.message.id)
        assert record is not None
        assert (record.id, record.status, record.payload) == (envelope.message.id, TaskStatus.NEW, envelope.payload)
        assert (record.attempt, record.crashes, record.result, record.error) == (0, 0, None, None)

    @pytest.mark.parametrize(
        "payload",
        [b'{ "v": 1, "of_the_future": [1, 2] }\n', b"", b"\xff\x00\xfe", b"{" * 1000],
        ids=["unknown fields", "empty", "not UTF-8", "not JSON"],
    )
    def test_payload_is_handed_over_byte_by_byte(self, rig: Rig, payload: bytes) -> None:
        task = rig.add(payload=payload)
        [delivery] = rig.worker().take()
        assert (delivery.id, delivery.payload) == (task, payload)
        assert rig.record(task).payload == payload

    def test_bad_payload_does_not_spoil_its_batch(self, rig: Rig) -> None:
        good, bad = rig.envelope(), rig.envelope(payload=b"\x00garbage")
        rig.broker.publish([bad, good])
        assert [delivery.payload for delivery in rig.worker().take(2)] == [b"\x00garbage", good.payload]

    def test_big_batch_is_accepted_in_one_call(self, rig: Rig) -> None:
        tasks = rig.add_many(1500)
        assert [delivery.id for delivery in rig.worker().take(2000)] == tasks

    def test_batch_with_a_bad_message_leaves_nothing_behind(self, rig: Rig) -> None:
        good = rig.envelope(unique="key")
        with pytest.raises(AttributeError):
            rig.broker.publish([good, NO_MESSAGE])
        assert rig.find_record(good.message.id) is None
        assert rig.worker().take() == []
        [task] = rig.broker.publish([rig.envelope(unique="key")])
        assert task != good.message.id

    def test_message_published_again_after_its_end_is_not_added(self, rig: Rig) -> None:
        envelope = rig.envelope()
        rig.broker.publish([envelope])
        worker = rig.worker()
        worker.succeed(*worker.take())
        assert rig.broker.publish([envelope]) == [envelope.message.id]
        assert worker.take() == []
        assert rig.status(envelope.message.id) is TaskStatus.SUCCESS

    def test_namespaces_do_not_see_each_other(self, rig: Rig, open_rig: OpenRig) -> None:
        other = open_rig(namespace="other")
        task = rig.add(unique="key")
        assert other.find_record(task) is None
        assert other.worker().take() == []
        assert other.add(unique="key") != task
        assert other.storage.find()
        assert [record.id for record in rig.storage.find()] == [task]


class UniqueKeys(Conformance):
    """Claims about the `unique` keys of messages."""

    def test_second_message_with_the_key_of_a_waiting_task_is_that_task(self, rig: Rig) -> None:
        first = rig.add(unique="key")
        second = rig.envelope(unique="key")
        assert rig.broker.publish([second]) == [first]
        assert rig.find_record(second.message.id) is None
        assert len(rig.worker().take(5)) == 1

    def test_key_counts_within_a_batch(self, rig: Rig) -> None:
        envelopes = [rig.envelope(unique=key) for key in ("a", "b", "a", None)]
        ids = [envelope.message.id for envelope in envelopes]
        assert rig.broker.publish(envelopes) == [ids[0], ids[1], ids[0], ids[3]]
        assert [delivery.id for delivery in rig.worker().take(5)] == [ids[0], ids[1], ids[3]]

    def test_key_is_held_across_the_tasks_of_a_queue_and_not_beyond(self, rig: Rig) -> None:
        first = rig.add("a", queue="here", unique="key")
        assert rig.add("b", queue="here", unique="key") == first
        second = rig.add("a", queue="there", unique="key")
        assert second != first
        assert rig.add("b", queue="there", unique="key") == second

    def test_key_is_held_while_the_task_runs_and_waits_for_its_retry(self, rig: Rig) -> None:
        task = rig.add(unique="key")
        worker = rig.worker()
        [delivery] = worker.take()
        assert rig.add(unique="key") == task
        worker.retry(delivery)
        assert rig.add(unique="key") == task

    @pytest.mark.parametrize("status", ["success", "error", "cancel", "dead"])
    def test_key_is_free_once_the_task_has_ended(self, rig: Rig, status: str) -> None:
        first = rig.add(unique="key")
        worker = rig.worker()
        [delivery] = worker.take()
        worker.finish(rig.outcome(delivery, TaskStatus(status)))
        second = rig.add(unique="key")
        assert second != first
        assert rig.add(unique="key") == second

    def test_key_is_free_once_the_task_is_cancelled_purged_or_expired(self, rig: Rig) -> None:
        cancelled = rig.add(unique="key")
        rig.broker.cancel(cancelled, "no")
        purged = rig.add(unique="key")
        rig.broker.purge("default")
        expired = rig.add(unique="key", expires_in_s=1)
        rig.clock.advance(2)
        rig.clean_up()
        assert len({cancelled, purged, expired, rig.add(unique="key")}) == 4

    def test_key_stays_with_its_holder_when_an_earlier_one_is_forgotten(self, rig: Rig) -> None:
        worker = rig.worker()
        rig.add(unique="key")
        worker.succeed(*worker.take(), keep_s=1)
        holder = rig.add(unique="key")
        rig.clock.advance(2)
        worker.beat()
        assert rig.add(unique="key") == holder
