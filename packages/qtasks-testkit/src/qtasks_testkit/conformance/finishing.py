"""What a broker promises about ends: the result stored with the acknowledgement, and never changed."""

from __future__ import annotations

import attrs
import pytest
from qtasks.message import ErrorInfo, StreamItem
from qtasks.types import US_PER_S, TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.rig import OpenRig, Rig


class Finishing(Conformance):
    """Claims about `finish` with terminal outcomes."""

    def test_success_is_stored_with_its_result(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        started = rig.clock.wall_us()
        rig.clock.advance(2)
        assert worker.succeed(delivery, result=b'{"a":[1,null]}', started=started, worker="w@host") == []
        record = rig.record(task)
        assert (record.status, record.result, record.error) == (TaskStatus.SUCCESS, b'{"a":[1,null]}', None)
        assert (record.started, record.updated - record.started) == (started, 2 * US_PER_S)
        assert record.worker == "w@host"

    def test_result_is_stored_byte_by_byte(self, rig: Rig) -> None:
        worker = rig.worker()
        for result in (b"\x00\xff\n", b"", b"x" * 500_000, None):
            task = rig.add()
            worker.succeed(*worker.take(), result=result)
            assert rig.record(task).result == result

    def test_error_is_stored_with_all_its_text(self, rig: Rig) -> None:
        error = ErrorInfo("KeyError", "'ключ'", 'Traceback\n  File "x.py"\n', ["OSError: no", "ValueError: why"])
        task = rig.add()
        worker = rig.worker()
        worker.fail(*worker.take(), error=error)
        record = rig.record(task)
        assert (record.status, record.error, record.result) == (TaskStatus.ERROR, error, None)

    def test_truncated_result_is_marked(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.succeed(*worker.take(), result=None, truncated=True)
        assert rig.record(task).truncated

    def test_finished_task_does_not_come_again(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker()
        worker.succeed(*worker.take())
        worker.leave()
        assert rig.worker().take() == []

    def test_batch_of_mixed_outcomes_is_written_in_one_call(self, rig: Rig) -> None:
        tasks = rig.add_many(5)
        worker = rig.worker()
        statuses = [TaskStatus(name) for name in ("success", "error", "cancel", "dead", "retry")]
        worker.finish(*map(rig.outcome, worker.take(5), statuses))
        assert [rig.status(task) for task in tasks] == statuses

    def test_call_without_outcomes_is_accepted(self, rig: Rig) -> None:
        assert rig.worker().finish() == []

    @pytest.mark.parametrize("first", ["success", "error", "cancel", "dead"])
    def test_terminal_outcome_never_changes(self, rig: Rig, first: str) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        outcome = rig.outcome(delivery, TaskStatus(first))
        assert worker.finish(outcome) == []
        before = rig.record(task)
        rig.clock.advance(1)
        assert worker.finish(outcome) == [task]
        assert worker.succeed(delivery, result=b"2") == [task]
        assert worker.retry(delivery) == [task]
        assert worker.hand_back(delivery) == [task]
        assert rig.record(task) == before
        assert worker.take() == []


class PuttingBack(Conformance):
    """Claims about `finish` with the outcomes `retry` and `new`."""

    def test_retry_counts_the_attempt_and_keeps_the_history(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker(name="w@host")
        [delivery] = worker.take()
        started = rig.clock.wall_us()
        rig.clock.advance(1)
        error = ErrorInfo("ValueError", "first")
        assert worker.retry(delivery, error=error, started=started, worker="w@host") == []
        record = rig.record(task)
        assert (record.status, record.attempt, record.crashes) == (TaskStatus.RETRY, 1, 0)
        [again] = worker.take()
        assert (again.id, again.attempt, again.crashes, again.recovered) == (task, 1, 0, False)
        worker.retry(again, error=ErrorInfo("ValueError", "second"))
        worker.succeed(*worker.take())
        notes = rig.record(task).history
        assert [(note.attempt, note.error) for note in notes[:2]] == [
            (0, "ValueError: first"),
            (1, "ValueError: second"),
        ]
        assert (notes[0].worker, notes[0].started, notes[0].finished) == ("w@host", started, started + US_PER_S)

    @pytest.mark.parametrize("status", ["retry", "new"])
    def test_task_put_back_for_later_is_not_early(self, rig: Rig, status: str) -> None:
        task = rig.add()
        worker = rig.worker(lease_s=60)
        due = rig.clock.wall_us() + 30 * US_PER_S
        [delivery] = worker.take()
        worker.finish(rig.outcome(delivery, TaskStatus(status), due=due))
        assert rig.record(task).due == due
        rig.clock.advance(29.999)
        assert worker.take() == []
        rig.clock.advance(0.001)
        assert [delivery.id for delivery in worker.take()] == [task]

    def test_retry_at_once_comes_at_once(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.retry(*worker.take())
        assert [delivery.id for delivery in worker.take()] == [task]

    def test_retry_whose_answer_was_lost_counts_once(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        assert worker.retry(delivery) == []
        assert worker.retry(delivery) == [task]
        assert (rig.record(task).attempt, len(rig.record(task).history)) == (1, 1)

    def test_hand_back_counts_for_nothing(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        assert worker.hand_back(*worker.take()) == []
        record = rig.record(task)
        assert (record.status, record.attempt, record.crashes, record.history) == (TaskStatus.NEW, 0, 0, [])
        [delivery] = rig.worker().take()
        assert (delivery.id, delivery.attempt, delivery.recovered) == (task, 0, False)


class Keeping(Conformance):
    """Claims about how long what ended is kept: for its time, and not longer."""

    def test_outcome_that_is_not_to_be_kept_leaves_nothing(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        assert worker.succeed(*worker.take(), keep_s=0) == []
        assert rig.find_record(task) is None
        assert rig.storage.find() == []

    def test_record_is_forgotten_when_its_time_is_over(self, rig: Rig) -> None:
        short, long = rig.add_many(2)
        worker = rig.worker(lease_s=1000)
        first, second = worker.take(2)
        worker.finish(rig.outcome(first, keep_s=60), rig.outcome(second, keep_s=600))
        rig.clock.advance(59)
        worker.beat()
        assert rig.status(short) is TaskStatus.SUCCESS
        rig.clock.advance(2)
        worker.beat()
        assert [rig.status(short), rig.status(long)] == [None, TaskStatus.SUCCESS]

    def test_nothing_is_left_of_finished_tasks_after_their_time(self, rig: Rig) -> None:
        rig.add_many(50)
        worker = rig.worker()
        deliveries = worker.take(50)
        items = [StreamItem(delivery, 0, b"1") for delivery in deliveries]
        worker.finish(*(rig.outcome(delivery, keep_s=60) for delivery in deliveries), items=items)
        rig.clock.advance(61)
        rig.clean_up()
        assert rig.storage.find() == []
        facts = rig.queue()
        assert (facts.ready, facts.delayed, facts.running, facts.dead) == (0, 0, 0, 0)

    def test_dead_letter_outlives_every_ttl(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        worker.finish(rig.outcome(delivery, TaskStatus.DEAD, keep_s=0))
        rig.clock.advance(400 * 86_400)
        rig.clean_up()
        assert rig.status(task) is TaskStatus.DEAD
        assert rig.queue().dead == 1

    def test_oldest_dead_letters_go_when_the_cap_is_reached(self, open_rig: OpenRig) -> None:
        rig = open_rig(dead_letter_cap=3)
        tasks = rig.add_many(5)
        worker = rig.worker()
        for delivery in reversed(worker.take(5)):
            worker.finish(rig.outcome(delivery, TaskStatus.DEAD))
            rig.clock.advance(1)
        rig.clean_up()
        assert {record.id for record in rig.storage.find(status=TaskStatus.DEAD)} == set(tasks[:3])
        assert rig.queue().dead == 3

    def test_waiting_tasks_are_never_forgotten(self, rig: Rig) -> None:
        task = rig.add()
        rig.clock.advance(400 * 86_400)
        rig.clean_up()
        assert [delivery.id for delivery in rig.worker().take()] == [task]


class Facts(Conformance):
    """Claims about `inspect`."""

    def test_queues_are_listed_by_name_once_they_were_used(self, rig: Rig) -> None:
        assert rig.broker.inspect() == []
        for queue in ("b", "a", "c"):
            rig.add(queue=queue)
        worker = rig.worker()
        worker.succeed(*worker.take(1, ["c"]), keep_s=0)
        assert [facts.name for facts in rig.broker.inspect()] == ["a", "b", "c"]

    def test_figures_tell_where_tasks_are(self, rig: Rig) -> None:
        rig.add_many(7)
        worker = rig.worker()
        first, second, third, *_ = worker.take(5)
        later = rig.clock.wall_us() + 60 * US_PER_S
        worker.finish(
            rig.outcome(first), rig.outcome(second, TaskStatus.DEAD), rig.outcome(third, TaskStatus.RETRY, due=later)
        )
        rig.add(due_in_s=60)
        rig.clock.advance(3)
        facts = attrs.asdict(rig.queue())
        age = facts.pop("oldest_s")
        assert facts == {
            "name": "default",
            "ready": 2,
            "delayed": 2,
            "running": 2,
            "dead": 1,
            "paused": False,
            "enqueued": 8,
            "finished": 2,
        }
        assert age == pytest.approx(3, abs=0.01)

    def test_every_end_is_counted_as_finished(self, rig: Rig) -> None:
        rig.add_many(3)
        worker = rig.worker()
        statuses = (TaskStatus.SUCCESS, TaskStatus.ERROR, TaskStatus.CANCEL)
        worker.finish(*map(rig.outcome, worker.take(3), statuses))
        rig.broker.cancel(rig.add(), "no")
        rig.add(expires_in_s=1)
        rig.clock.advance(2)
        rig.clean_up()
        assert (rig.queue().enqueued, rig.queue().finished, rig.queue().oldest_s) == (5, 5, 0)
