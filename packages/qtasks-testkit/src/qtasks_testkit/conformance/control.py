"""What a broker promises to operators: cancel, pause, purge."""

from __future__ import annotations

import pytest
from qtasks.message import ErrorInfo
from qtasks.ports import CancelAnswer
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.rig import Rig


class Cancelling(Conformance):
    """Claims about `cancel` and `cancel_requests`."""

    def test_waiting_task_is_cancelled_at_once(self, rig: Rig) -> None:
        task = rig.add()
        assert rig.broker.cancel(task, "changed my mind") is CancelAnswer.CANCELLED
        record = rig.record(task)
        assert (record.status, record.cancel_reason) == (TaskStatus.CANCEL, "changed my mind")
        assert rig.worker().take() == []

    def test_delayed_task_is_cancelled_at_once(self, rig: Rig) -> None:
        task = rig.add(due_in_s=10)
        assert rig.broker.cancel(task, "no") is CancelAnswer.CANCELLED
        rig.clock.advance(11)
        assert rig.worker().take() == []
        assert rig.status(task) is TaskStatus.CANCEL

    def test_task_that_waits_for_its_retry_is_cancelled_at_once(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.retry(*worker.take())
        assert rig.broker.cancel(task, "no") is CancelAnswer.CANCELLED
        assert worker.take() == []

    def test_running_task_is_asked_to_stop_and_its_owner_is_told(self, rig: Rig) -> None:
        task, _ = rig.add_many(2)
        worker, bystander = rig.worker(), rig.worker()
        [delivery] = worker.take()
        bystander.take()
        assert rig.broker.cancel(task, "too slow") is CancelAnswer.REQUESTED
        assert rig.broker.cancel_requests(worker.owner) == {task: "too slow"}
        assert rig.broker.cancel_requests(bystander.owner) == {}
        assert rig.broker.cancel_requests(worker.owner, [task]) == {}
        assert rig.status(task) is TaskStatus.PROCESS
        assert worker.finish(rig.outcome(delivery, TaskStatus.CANCEL)) == []
        record = rig.record(task)
        assert (record.status, record.cancel_reason) == (TaskStatus.CANCEL, "too slow")
        assert rig.broker.cancel_requests(worker.owner) == {}

    def test_task_that_cancels_itself_tells_its_own_reason(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        error = ErrorInfo("TaskCancelError", "nothing to do")
        [delivery] = worker.take()
        worker.finish(rig.outcome(delivery, TaskStatus.CANCEL, error=error))
        assert rig.record(task).cancel_reason == "nothing to do"

    def test_task_that_ends_before_it_heard_keeps_its_own_end(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        rig.broker.cancel(task, "too late")
        assert worker.succeed(delivery) == []
        record = rig.record(task)
        assert (record.status, record.result, record.cancel_reason) == (TaskStatus.SUCCESS, b"1", None)

    @pytest.mark.parametrize("back", ["hand_back", "retry", "leave", "die", "vanish"])
    def test_request_is_not_forgotten_when_the_task_comes_back(self, rig: Rig, back: str) -> None:
        task = rig.add()
        worker = rig.worker(lease_s=15)
        [delivery] = worker.take()
        rig.broker.cancel(task, "stop")
        if back in {"hand_back", "retry"}:
            getattr(worker, back)(delivery)
        elif back == "vanish":
            rig.clock.advance(16)
            rig.clean_up()
        else:
            getattr(worker, back)()
        heir = rig.worker()
        if heir.take():  # it may come again, if its new owner is told
            assert rig.broker.cancel_requests(heir.owner) == {task: "stop"}
        else:
            assert (rig.status(task), rig.record(task).cancel_reason) == (TaskStatus.CANCEL, "stop")

    def test_finished_task_cannot_be_cancelled(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.succeed(*worker.take())
        before = rig.record(task)
        assert rig.broker.cancel(task, "no") is CancelAnswer.FINISHED
        assert rig.record(task) == before

    def test_cancelling_twice_finds_the_task_ended(self, rig: Rig) -> None:
        task = rig.add()
        rig.broker.cancel(task, "first")
        assert rig.broker.cancel(task, "second") is CancelAnswer.FINISHED
        assert rig.record(task).cancel_reason == "first"

    def test_unknown_task_cannot_be_cancelled(self, rig: Rig) -> None:
        assert rig.broker.cancel("0" * 32, "no") is CancelAnswer.UNKNOWN

    def test_nobody_asks_an_owner_without_tasks(self, rig: Rig) -> None:
        assert rig.broker.cancel_requests(rig.worker().owner) == {}
        assert rig.broker.cancel_requests("0" * 32) == {}


class Pausing(Conformance):
    """Claims about `set_paused`."""

    def test_paused_queue_is_passed_over_by_all_workers(self, rig: Rig) -> None:
        rig.add(queue="paused")
        other = rig.add(queue="other")
        rig.broker.set_paused("paused", True)
        assert [delivery.id for delivery in rig.worker().take(5, ["paused", "other"])] == [other]
        assert rig.worker().take(5, ["paused", "other"]) == []

    def test_paused_queue_accepts_tasks_and_hands_them_over_when_resumed(self, rig: Rig) -> None:
        rig.broker.set_paused("default", True)
        task = rig.add()
        worker = rig.worker()
        assert worker.take() == []
        assert rig.queue().paused
        rig.broker.set_paused("default", False)
        assert not rig.queue().paused
        assert [delivery.id for delivery in worker.take()] == [task]

    def test_what_runs_in_a_paused_queue_goes_on(self, rig: Rig) -> None:
        rig.add_many(2)
        worker = rig.worker()
        first, second = worker.take(2)
        rig.broker.set_paused("default", True)
        assert worker.succeed(first) == []
        assert worker.hand_back(second) == []
        assert worker.take() == []

    def test_pausing_twice_is_pausing_once(self, rig: Rig) -> None:
        rig.add()
        for paused in (True, True, False):
            rig.broker.set_paused("default", paused)
        assert len(rig.worker().take()) == 1


class Purging(Conformance):
    """Claims about `purge`."""

    def test_waiting_tasks_are_removed_with_their_records(self, rig: Rig) -> None:
        tasks = [*rig.add_many(3), rig.add(due_in_s=60)]
        worker = rig.worker()
        worker.retry(*worker.take(), due=rig.clock.wall_us() + 10)
        assert rig.broker.purge("default") == 4
        assert rig.storage.get_many(tasks) == [None] * 4
        rig.clock.advance(61)
        assert rig.worker().take(5) == []

    def test_what_runs_and_what_ended_stays(self, rig: Rig) -> None:
        ended, running, _ = rig.add_many(3)
        worker = rig.worker()
        worker.succeed(*worker.take())
        [delivery] = worker.take()
        assert rig.broker.purge("default") == 1
        assert [rig.status(ended), rig.status(running)] == [TaskStatus.SUCCESS, TaskStatus.PROCESS]
        assert worker.succeed(delivery) == []

    def test_other_queues_are_left_alone(self, rig: Rig) -> None:
        rig.add(queue="theirs")
        assert rig.broker.purge("ours") == 0
        assert len(rig.worker().take(5, ["theirs"])) == 1
