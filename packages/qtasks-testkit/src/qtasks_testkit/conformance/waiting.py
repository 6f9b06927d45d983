"""What those who wait are promised: an answer as soon as there is one, pushed.

Each claim starts a wait of `PATIENCE_S` and then does what must end it; the faces fail a call that let its
wait run out. Whether the waiter sleeps already at that moment cannot be seen from outside: the claims of
`Pushing` repeat it until both have occurred, and fail when even a part of the rounds is left to polling.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from qtasks.errors import LeaseLostError
from qtasks.types import US_PER_S, TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import PATIENCE_S, at_once
from qtasks_testkit.rig import OpenRig, Rig, Worker

ROUNDS = 25


class WaitingForResults(Conformance):
    """Claims about `wait`."""

    @pytest.mark.parametrize("status", ["success", "error", "cancel", "dead"])
    def test_waiter_gets_the_record_when_the_task_ends(self, rig: Rig, status: str) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        waiter = rig.storage.start("wait", task, PATIENCE_S)
        worker.finish(rig.outcome(delivery, TaskStatus(status)))
        record = waiter()
        assert (record.id, record.status) == (task, status)
        assert record == rig.record(task)

    def test_waiter_sleeps_through_retries(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        waiter = rig.storage.start("wait", task, PATIENCE_S)
        worker.retry(*worker.take())
        worker.hand_back(*worker.take())
        worker.succeed(*worker.take(), result=b'"at last"')
        assert waiter().result == b'"at last"'

    def test_waiter_is_told_of_an_end_without_a_worker(self, rig: Rig) -> None:
        task = rig.add()
        waiter = rig.storage.start("wait", task, PATIENCE_S)
        rig.broker.cancel(task, "no")
        assert waiter().cancel_reason == "no"

    def test_waiter_does_not_wait_for_a_result_that_is_not_kept(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        waiter = rig.storage.start("wait", task, PATIENCE_S)
        worker.succeed(delivery, keep_s=0)
        record = waiter()
        assert record is None or record.status is TaskStatus.SUCCESS

    def test_all_waiters_of_a_task_are_told(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        waiters = [rig.storage.start("wait", task, PATIENCE_S) for _ in range(3)]
        worker.succeed(delivery)
        assert [waiter().status for waiter in waiters] == [TaskStatus.SUCCESS] * 3

    def test_wait_for_a_finished_task_answers_at_once(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.succeed(*worker.take())
        assert rig.storage.wait(task, PATIENCE_S) == rig.record(task)

    def test_wait_for_an_unknown_task_answers_at_once(self, rig: Rig) -> None:
        assert rig.storage.wait("0" * 32, PATIENCE_S) is None

    def test_wait_ends_when_time_is_up(self, rig: Rig) -> None:
        task = rig.add()
        assert rig.storage.wait(task, 0.01) is None
        assert rig.storage.wait(task, 0) is None


class WaitingForTasks(Conformance):
    """Claims about `take` with a time to wait."""

    def _ways_back(self, rig: Rig, worker: Worker) -> dict[str, Callable[[], object]]:
        [delivery] = worker.take()
        return {
            "hand_back": lambda: worker.hand_back(delivery),
            "retry": lambda: worker.retry(delivery),
            "leave": worker.leave,
            "die": worker.die,
        }

    def test_waiting_worker_gets_a_new_task(self, rig: Rig) -> None:
        taken = rig.worker().start_take(5)
        task = rig.add()
        assert [delivery.id for delivery in taken()] == [task]

    @pytest.mark.parametrize("way", ["hand_back", "retry", "leave", "die"])
    def test_waiting_worker_gets_a_task_that_comes_back(self, rig: Rig, way: str) -> None:
        task = rig.add()
        ways = self._ways_back(rig, rig.worker())
        taken = rig.worker().start_take()
        ways[way]()
        assert [delivery.id for delivery in taken()] == [task]

    def test_waiting_worker_gets_the_tasks_of_a_resumed_queue(self, rig: Rig) -> None:
        task = rig.add()
        rig.broker.set_paused("default", True)
        taken = rig.worker().start_take()
        rig.broker.set_paused("default", False)
        assert [delivery.id for delivery in taken()] == [task]

    def test_waiting_worker_of_another_queue_waits_on(self, rig: Rig) -> None:
        taken = rig.worker().start_take(1, ["mine"])
        rig.add(queue="theirs")
        task = rig.add(queue="mine")
        assert [delivery.id for delivery in taken()] == [task]

    def test_waiting_worker_is_sent_away_when_its_incarnation_ends(self, rig: Rig) -> None:
        worker = rig.worker()
        taken = worker.start_take()
        worker.leave()
        with pytest.raises(LeaseLostError):
            taken()

    def test_one_of_many_waiting_workers_gets_each_task(self, rig: Rig) -> None:
        taken = [rig.worker().start_take() for _ in range(3)]
        tasks = {rig.add() for _ in range(3)}
        assert {delivery.id for result in taken for delivery in result()} == tasks

    def test_waiting_worker_gets_a_retry_when_it_is_due(self, live_rig: Rig) -> None:
        task = live_rig.add()
        worker = live_rig.worker()
        [delivery] = worker.take()
        due = live_rig.clock.wall_us() + US_PER_S // 20
        taken = worker.start_take()
        worker.retry(delivery, due=due)
        assert [delivery.id for delivery in taken()] == [task]
        assert 0 <= live_rig.clock.wall_us() - due < US_PER_S


class WaitingForRequests(Conformance):
    """Claims about `cancel_requests` with a time to wait."""

    def test_waiting_owner_is_told_of_a_request(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.take()
        told = worker.start_listening()
        rig.broker.cancel(task, "too slow")
        assert told() == {task: "too slow"}

    def test_waiting_owner_is_told_of_what_it_does_not_know(self, rig: Rig) -> None:
        known, new = rig.add_many(2)
        worker = rig.worker()
        worker.take(2)
        rig.broker.cancel(known, "the first")
        told = worker.start_listening(known)
        rig.broker.cancel(new, "the second")
        assert told() == {new: "the second"}
        assert rig.broker.cancel_requests(worker.owner) == {known: "the first", new: "the second"}

    def test_request_that_is_there_already_is_told_at_once(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.take()
        rig.broker.cancel(task, "no")
        assert worker.start_listening()() == {task: "no"}

    def test_request_for_what_another_owner_has_is_not_told(self, rig: Rig) -> None:
        theirs, mine = rig.add_many(2)
        other, worker = rig.worker(), rig.worker()
        other.take()
        worker.take()
        told = worker.start_listening()
        rig.broker.cancel(theirs, "theirs")
        rig.broker.cancel(mine, "mine")
        assert told() == {mine: "mine"}

    @pytest.mark.parametrize("whose", ["of one that knows all", "of one without a lease"])
    def test_wait_lasts_until_time_is_up(self, rig: Rig, whose: str) -> None:
        """An answer before that would have the worker ask again and again without a pause."""
        task = rig.add()
        worker = rig.worker()
        worker.take()
        rig.broker.cancel(task, "no")
        owner = worker.owner if whose == "of one that knows all" else "0" * 32
        begun = time.monotonic()
        assert rig.broker.cancel_requests(owner, [task], 0.05) == {}
        assert time.monotonic() - begun >= 0.05


class Pushing(Conformance):
    """Claims that nobody is left to polling."""

    def test_tasks_and_results_go_to_and_fro_without_polling(self, live_rig: Rig) -> None:
        worker = live_rig.worker()
        with at_once(0.2 * ROUNDS):
            for _ in range(ROUNDS):
                taken = worker.start_take()
                task = live_rig.add()
                [delivery] = taken()
                waiter = live_rig.storage.start("wait", task, PATIENCE_S)
                worker.succeed(delivery)
                assert waiter().status is TaskStatus.SUCCESS

    def test_requests_to_cancel_are_told_without_polling(self, live_rig: Rig) -> None:
        worker = live_rig.worker()
        with at_once(0.2 * ROUNDS):
            for _ in range(ROUNDS):
                task = live_rig.add()
                [delivery] = worker.take()
                told = worker.start_listening()
                live_rig.broker.cancel(task, "no")
                assert told() == {task: "no"}
                worker.finish(live_rig.outcome(delivery, TaskStatus.CANCEL))

    def test_both_views_wake_each_other(self, open_rig: OpenRig, live_rig: Rig) -> None:
        other = open_rig("async" if live_rig.face.name == "blocking" else "blocking", clock=live_rig.clock)
        worker = other.worker()
        with at_once(0.2 * ROUNDS):
            for _ in range(ROUNDS):
                task = live_rig.add()
                [delivery] = worker.take(wait_s=PATIENCE_S)
                waiter = live_rig.storage.start("wait", task, PATIENCE_S)
                worker.succeed(delivery)
                assert waiter().status is TaskStatus.SUCCESS
