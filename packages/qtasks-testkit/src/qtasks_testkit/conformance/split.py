"""The conformance suite of storages that serve somebody else's broker: the core calls `add`, `finish`, `remove`.

Nothing is published or taken here: deliveries are made up as a foreign broker would hand them over.
"""

from __future__ import annotations

import pytest
from qtasks.message import Delivery, Envelope, ErrorInfo, StreamItem, StreamSlice
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import PATIENCE_S
from qtasks_testkit.rig import NO_MESSAGE, OpenRig, Rig


def deliver(envelope: Envelope, *, attempt: int = 0, token: int = 1) -> Delivery:
    """Hand a message over as a foreign broker would."""
    return Delivery("tag", envelope.message.id, envelope.payload, attempt=attempt, token=token)


class SplitStorageConformance(Conformance):
    """What `qtasks.ports.Storage` promises where broker and storage are split."""

    @pytest.fixture
    def envelope(self, rig: Rig) -> Envelope:
        """A message whose record is stored and that waits in a queue elsewhere."""
        envelope = rig.envelope()
        assert rig.storage.add([envelope]) == [envelope.message.id]
        return envelope

    def test_added_record_is_new(self, rig: Rig, envelope: Envelope) -> None:
        record = rig.record(envelope.message.id)
        assert (record.status, record.payload, record.attempt) == (TaskStatus.NEW, envelope.payload, 0)

    def test_added_task_is_in_no_queue_here(self, rig: Rig, envelope: Envelope) -> None:
        assert rig.worker().take() == []

    def test_adding_again_changes_nothing(self, rig: Rig, envelope: Envelope) -> None:
        rig.storage.finish([rig.outcome(deliver(envelope))])
        before = rig.record(envelope.message.id)
        assert rig.storage.add([envelope, envelope]) == [envelope.message.id] * 2
        assert rig.record(envelope.message.id) == before
        assert rig.storage.add([]) == []

    def test_unique_key_leads_to_the_open_task_that_holds_it(self, rig: Rig) -> None:
        first, second = rig.envelope(unique="key"), rig.envelope(unique="key")
        assert rig.storage.add([first, second]) == [first.message.id] * 2
        assert rig.find_record(second.message.id) is None
        rig.storage.finish([rig.outcome(deliver(first))])
        assert rig.storage.add([second]) == [second.message.id]

    def test_batch_with_a_bad_message_leaves_nothing_behind(self, rig: Rig) -> None:
        good = rig.envelope()
        with pytest.raises(AttributeError):
            rig.storage.add([good, NO_MESSAGE])
        assert rig.find_record(good.message.id) is None

    def test_outcome_is_stored(self, rig: Rig, envelope: Envelope) -> None:
        assert rig.storage.finish([rig.outcome(deliver(envelope), result=b"42", worker="w@host")]) == []
        record = rig.record(envelope.message.id)
        assert (record.status, record.result, record.worker) == (TaskStatus.SUCCESS, b"42", "w@host")

    def test_first_terminal_outcome_wins(self, rig: Rig, envelope: Envelope) -> None:
        task = envelope.message.id
        first, second = deliver(envelope), deliver(envelope, token=2)
        assert rig.storage.finish([rig.outcome(first, result=b"1")]) == []
        before = rig.record(task)
        assert rig.storage.finish([rig.outcome(second, result=b"2")]) == [task]
        assert rig.storage.finish([rig.outcome(second, TaskStatus.ERROR)]) == [task]
        assert rig.storage.finish([rig.outcome(second, TaskStatus.RETRY)]) == [task]
        assert rig.storage.finish([rig.outcome(first, result=b"1")]) == [task]
        assert rig.record(task) == before

    def test_slow_run_that_ends_first_wins_over_the_later_one(self, rig: Rig, envelope: Envelope) -> None:
        early, late = deliver(envelope), deliver(envelope, token=2)
        assert rig.storage.finish([rig.outcome(early, result=b"1")]) == []
        assert rig.storage.finish([rig.outcome(late, result=b"2")]) == [envelope.message.id]
        assert rig.record(envelope.message.id).result == b"1"

    def test_refused_outcome_does_not_hold_up_its_batch(self, rig: Rig, envelope: Envelope) -> None:
        other = rig.envelope()
        rig.storage.add([other])
        rig.storage.finish([rig.outcome(deliver(envelope))])
        batch = [rig.outcome(deliver(envelope)), rig.outcome(deliver(other))]
        assert rig.storage.finish(batch) == [envelope.message.id]
        assert rig.status(other.message.id) is TaskStatus.SUCCESS
        assert rig.storage.finish([]) == []

    def test_retry_is_noted_once_however_often_it_is_told(self, rig: Rig, envelope: Envelope) -> None:
        task = envelope.message.id
        due = rig.clock.wall_us() + 10
        retry = rig.outcome(deliver(envelope), TaskStatus.RETRY, due=due, error=ErrorInfo("OSError", "no"))
        rig.storage.finish([retry])
        rig.storage.finish([retry])
        record = rig.record(task)
        assert (record.status, record.attempt, record.due) == (TaskStatus.RETRY, 1, due)
        assert [note.error for note in record.history] == ["OSError: no"]
        assert rig.storage.finish([rig.outcome(deliver(envelope, attempt=1))]) == []
        assert (rig.status(task), len(rig.worker().take())) == (TaskStatus.SUCCESS, 0)

    def test_hand_back_leaves_the_task_open(self, rig: Rig, envelope: Envelope) -> None:
        assert rig.storage.finish([rig.outcome(deliver(envelope), TaskStatus.NEW)]) == []
        record = rig.record(envelope.message.id)
        assert (record.status, record.attempt, record.history) == (TaskStatus.NEW, 0, [])
        assert rig.storage.finish([rig.outcome(deliver(envelope, token=2))]) == []

    def test_outcome_that_is_not_to_be_kept_leaves_nothing_however_often_it_is_told(
        self, rig: Rig, envelope: Envelope
    ) -> None:
        for token in (1, 2):
            rig.storage.finish([rig.outcome(deliver(envelope, token=token), keep_s=0)])
            assert rig.find_record(envelope.message.id) is None

    def test_outcome_of_an_unknown_message_is_stored(self, rig: Rig) -> None:
        holder, stranger = rig.envelope(unique="key"), rig.envelope("t", unique="key", queue="default")
        rig.storage.add([holder])
        delivery = deliver(stranger, attempt=1)
        outcome = rig.outcome(delivery, result=b"42")
        assert rig.storage.finish([outcome, outcome], [StreamItem(delivery, 0, b"0")]) == [stranger.message.id]
        record = rig.record(stranger.message.id)
        assert (record.status, record.attempt, record.result) == (TaskStatus.SUCCESS, 1, b"42")
        assert record in rig.storage.find(task="t", queue="default", status=TaskStatus.SUCCESS)
        assert rig.storage.read_stream(stranger.message.id, 1, 0, 0).values == [b"0"]
        assert rig.status(holder.message.id) is TaskStatus.NEW

    def test_message_that_cannot_be_read_becomes_a_dead_letter(self, rig: Rig) -> None:
        delivery = Delivery("tag", "f" * 32, b"\xff no envelope")
        error = ErrorInfo("malformed", "no envelope")
        assert rig.storage.finish([rig.outcome(delivery, TaskStatus.DEAD, error=error)]) == []
        [letter] = rig.storage.find(status=TaskStatus.DEAD)
        assert (letter.id, letter.payload, letter.error) == (delivery.id, delivery.payload, error)

    @pytest.mark.parametrize("status", ["retry", "new"])
    def test_unknown_task_that_goes_on_is_not_stored(self, rig: Rig, status: str) -> None:
        envelope = rig.envelope()
        assert rig.storage.finish([rig.outcome(deliver(envelope), TaskStatus(status))]) == [envelope.message.id]
        assert rig.find_record(envelope.message.id) is None

    def test_record_of_a_failed_publish_can_be_removed(self, rig: Rig) -> None:
        envelope = rig.envelope(unique="key")
        rig.storage.add([envelope])
        rig.storage.remove([envelope.message.id])
        assert rig.find_record(envelope.message.id) is None
        assert rig.storage.add([envelope]) == [envelope.message.id]

    def test_waiter_gets_the_record_when_the_outcome_is_stored(self, rig: Rig, envelope: Envelope) -> None:
        waiter = rig.storage.start("wait", envelope.message.id, PATIENCE_S)
        rig.storage.finish([rig.outcome(deliver(envelope), result=b"42")])
        assert waiter().result == b"42"

    def test_stream_values_are_stored(self, rig: Rig, envelope: Envelope) -> None:
        delivery, task = deliver(envelope), envelope.message.id
        assert rig.storage.finish([], [StreamItem(delivery, 0, b"0"), StreamItem(delivery, 1, b"1")]) == []
        assert rig.storage.finish([], [StreamItem(delivery, 1, b"1")]) == []
        assert rig.storage.read_stream(task, 0, 0, 0).values == [b"0", b"1"]
        assert rig.storage.finish([rig.outcome(delivery)], [StreamItem(delivery, 2, b"2")]) == []
        assert rig.storage.read_stream(task, 0, 2, 0) == StreamSlice(0, [b"2"], TaskStatus.SUCCESS)

    def test_values_of_an_earlier_run_do_not_disturb_the_later_one(self, rig: Rig, envelope: Envelope) -> None:
        early, late, task = deliver(envelope), deliver(envelope, token=2), envelope.message.id
        rig.storage.finish([], [StreamItem(early, 0, b'"a0"'), StreamItem(early, 1, b'"a1"')])
        rig.storage.finish([], [StreamItem(late, 0, b'"b0"')])
        rig.storage.finish([], [StreamItem(early, 2, b'"a2"')])
        assert rig.storage.read_stream(task, 0, 0, 0).values == [b'"b0"']

    def test_stream_value_after_the_end_is_refused(self, rig: Rig, envelope: Envelope) -> None:
        task = envelope.message.id
        rig.storage.finish([rig.outcome(deliver(envelope))])
        assert rig.storage.finish([], [StreamItem(deliver(envelope, token=2), 0, b"0")]) == [task]
        assert rig.storage.read_stream(task, 0, 0, 0).values == []

    def test_dead_letters_are_capped(self, open_rig: OpenRig) -> None:
        rig = open_rig(dead_letter_cap=2)
        envelopes = [rig.envelope() for _ in range(3)]
        rig.storage.add(envelopes)
        for envelope in envelopes:
            rig.storage.finish([rig.outcome(deliver(envelope), TaskStatus.DEAD)])
            rig.clock.advance(1)
        rig.clean_up()
        assert [rig.status(envelope.message.id) for envelope in envelopes] == [None, "dead", "dead"]
