"""What a broker promises to workers that ask for tasks: which ones, in which order, when, and how often."""

from __future__ import annotations

import pytest
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import PATIENCE_S
from qtasks_testkit.rig import Rig, Worker


class Order(Conformance):
    """Claims about which tasks come first."""

    def test_tasks_of_one_priority_come_in_the_order_of_acceptance(self, rig: Rig) -> None:
        tasks = [*rig.add_many(3), rig.add(), *rig.add_many(2)]
        worker = rig.worker()
        assert [delivery.id for limit in (1, 2, 5) for delivery in worker.take(limit)] == tasks

    def test_lower_priority_numbers_come_first(self, rig: Rig) -> None:
        tasks = {priority: rig.add(priority=priority) for priority in (0, 7, -7)}
        worker = rig.worker()
        assert [worker.take()[0].id for _ in range(3)] == [tasks[-7], tasks[0], tasks[7]]

    def test_every_priority_of_32_bits_has_its_place(self, rig: Rig) -> None:
        if rig.capabilities.priority != "exact":
            pytest.skip(f"the broker declares priority {rig.capabilities.priority!r}")
        tasks = {priority: rig.add(priority=priority) for priority in (2, 1, 2**31 - 1, -1, -(2**31), 0)}
        assert [delivery.id for delivery in rig.worker().take(9)] == [tasks[priority] for priority in sorted(tasks)]

    def test_order_within_a_priority_holds_among_others(self, rig: Rig) -> None:
        tasks = [(priority, rig.add(priority=priority)) for priority in (0, 5, -5, 0, 5, -5)]
        expected = [task for _, task in sorted(tasks, key=lambda entry: entry[0])]
        assert [delivery.id for delivery in rig.worker().take(6)] == expected

    def test_order_holds_behind_a_batch_of_which_some_were_known(self, rig: Rig) -> None:
        known, behind, last = [rig.envelope() for _ in range(3)], rig.envelope(), rig.envelope()
        for batch in (known, [*known, behind], [last]):
            rig.broker.publish(batch)
        tasks = [envelope.message.id for envelope in (*known, behind, last)]
        assert [delivery.id for delivery in rig.worker().take(9)] == tasks

    def test_task_that_comes_back_keeps_its_place(self, rig: Rig) -> None:
        oldest, *_ = rig.add_many(3)
        worker = rig.worker()
        worker.hand_back(*worker.take())
        assert worker.take()[0].id == oldest

    def test_queues_share_the_limit_in_turn(self, rig: Rig) -> None:
        for queue in ("a", "b", "c"):
            rig.add_many(5, queue=queue)
        taken = [delivery.id for delivery in rig.worker().take(6, ["a", "b", "c"])]
        assert [rig.queue(queue).running for queue in ("a", "b", "c")] == [2, 2, 2]
        assert len(taken) == 6

    def test_full_queue_does_not_starve_another_when_tasks_are_taken_one_by_one(self, rig: Rig) -> None:
        rig.add_many(10, queue="full")
        lonely = rig.add(queue="other")
        worker = rig.worker()
        taken = [worker.take(1, ["full", "other"])[0].id for _ in range(3)]
        assert lonely in taken

    def test_limit_is_filled_from_the_queues_that_have_more(self, rig: Rig) -> None:
        rig.add(queue="a")
        rig.add_many(5, queue="b")
        assert len(rig.worker().take(4, ["a", "b", "unused"])) == 4

    def test_limit_is_kept(self, rig: Rig) -> None:
        rig.add_many(5)
        assert len(rig.worker().take(3)) == 3

    def test_queues_that_were_not_asked_for_are_left_alone(self, rig: Rig) -> None:
        rig.add(queue="theirs")
        assert rig.worker().take(5, ["ours"]) == []


class HandingOver(Conformance):
    """Claims about a delivery, and about to whom a task goes."""

    def test_first_delivery_of_a_task_is_fresh(self, rig: Rig) -> None:
        rig.add()
        [delivery] = rig.worker().take()
        assert (delivery.attempt, delivery.crashes, delivery.recovered) == (0, 0, False)

    def test_taken_task_is_in_process_and_nobody_else_gets_it(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        assert worker.take()
        assert rig.status(task) is TaskStatus.PROCESS
        assert worker.take() == []
        assert rig.worker().take() == []

    def test_workers_that_take_at_the_same_time_share_without_overlap(self, rig: Rig) -> None:
        tasks = rig.add_many(60)
        calls = [rig.worker().start_take(20) for _ in range(3)]
        assert sorted(delivery.id for result in calls for delivery in result()) == sorted(tasks)

    def test_workers_that_drain_a_queue_together_run_each_task_once(self, rig: Rig) -> None:
        tasks, broker = rig.add_many(100), rig.broker.component

        async def work(owner: str) -> list[str]:
            done: list[str] = []
            while deliveries := await broker.take(owner, ["default"], 7, 0):
                assert await broker.finish(owner, [rig.outcome(delivery) for delivery in deliveries]) == []
                done += [delivery.id for delivery in deliveries]
            return done

        calls = [rig.face.start(work(rig.worker().owner)) for _ in range(3)]
        assert sorted(task for done in calls for task in done()) == sorted(tasks)

    def test_token_grows_with_every_delivery(self, rig: Rig) -> None:
        rig.add()
        tokens = []
        for back in ("hand_back", "retry"):
            worker = rig.worker()
            [delivery] = worker.take()
            tokens.append(delivery.token)
            getattr(worker, back)(delivery)
        dying = rig.worker()
        tokens.append(dying.take()[0].token)
        dying.die()
        tokens.append(rig.worker().take()[0].token)
        assert tokens == sorted(set(tokens))

    def test_owner_that_never_joined_is_sent_away_at_once(self, rig: Rig) -> None:
        rig.add()
        assert Worker("0" * 32, rig).is_sent_away(PATIENCE_S)

    def test_take_is_empty_when_its_time_is_up(self, rig: Rig) -> None:
        assert rig.worker().take(wait_s=0.01) == []


class Times(Conformance):
    """Claims about delays and expiry."""

    def test_short_delay_is_not_held_up_by_a_long_one(self, rig: Rig) -> None:
        rig.add(due_in_s=100)
        short = rig.add(due_in_s=1)
        rig.clock.advance(1)
        assert [delivery.id for delivery in rig.worker().take(2)] == [short]

    def test_waiting_worker_gets_a_delayed_task_in_time(self, live_rig: Rig) -> None:
        worker = live_rig.worker()
        due = live_rig.clock.wall_us() + 50_000
        task = live_rig.add(due=due)
        assert [delivery.id for delivery in worker.take(wait_s=PATIENCE_S)] == [task]
        assert 0 <= live_rig.clock.wall_us() - due < 1_000_000

    def test_expired_task_ends_as_expired_and_those_behind_it_come(self, rig: Rig) -> None:
        expired = rig.add(expires_in_s=10)
        good = rig.add(expires_in_s=20)
        rig.clock.advance(11)
        assert [delivery.id for delivery in rig.worker().take()] == [good]
        assert rig.status(expired) is TaskStatus.EXPIRED

    def test_task_that_nobody_takes_expires(self, rig: Rig) -> None:
        task = rig.add(queue="forgotten", expires_in_s=10)
        delayed = rig.add(queue="forgotten", expires_in_s=10, due_in_s=60)
        rig.clock.advance(11)
        rig.clean_up()
        assert [rig.status(task), rig.status(delayed)] == [TaskStatus.EXPIRED] * 2

    def test_task_that_expires_while_it_runs_goes_on(self, rig: Rig) -> None:
        task = rig.add(expires_in_s=10)
        worker = rig.worker(lease_s=60)
        [delivery] = worker.take()
        rig.clock.advance(11)
        worker.beat()
        assert worker.succeed(delivery) == []
        assert rig.status(task) is TaskStatus.SUCCESS


class LostReplies(Conformance):
    """Claims about `in_hand`: what a worker says after an answer got lost."""

    def test_tasks_of_a_lost_answer_come_again_uncounted(self, rig: Rig) -> None:
        tasks = rig.add_many(3)
        worker = rig.worker()
        worker.take(3)  # this answer is lost
        deliveries = worker.take(3, in_hand=[])
        assert [delivery.id for delivery in deliveries] == tasks
        assert {(delivery.attempt, delivery.crashes) for delivery in deliveries} == {(0, 0)}

    def test_tasks_in_hand_stay_there(self, rig: Rig) -> None:
        tasks = rig.add_many(3)
        worker = rig.worker()
        [kept] = worker.take()
        worker.take(2)  # this answer is lost
        assert [delivery.id for delivery in worker.take(5, in_hand=[kept])] == tasks[1:]
        assert worker.succeed(kept) == []

    def test_what_is_not_in_hand_goes_back_even_when_nothing_can_be_taken(self, rig: Rig) -> None:
        task = rig.add()
        worker, other = rig.worker(), rig.worker()
        worker.take()  # this answer is lost
        assert worker.take(1, ["elsewhere"], in_hand=()) == []
        assert rig.status(task) is TaskStatus.NEW
        assert [delivery.id for delivery in other.take()] == [task]

    def test_take_of_nothing_only_reconciles_and_does_not_wait(self, rig: Rig) -> None:
        kept_id, lost_id, waiting_id = rig.add_many(3)
        worker = rig.worker()
        [kept] = worker.take()
        worker.take()  # this answer is lost
        assert worker.take(0, wait_s=PATIENCE_S, in_hand=[kept]) == []
        assert [rig.status(task) for task in (kept_id, lost_id, waiting_id)] == ["process", "new", "new"]
        assert worker.take(0, wait_s=PATIENCE_S) == []
        assert worker.succeed(kept) == []

    def test_earlier_delivery_of_a_task_is_not_in_hand(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [earlier] = worker.take()
        worker.hand_back(earlier)
        worker.take()  # this answer is lost
        assert worker.take(0, in_hand=[earlier]) == []
        assert rig.status(task) is TaskStatus.NEW

    @pytest.mark.parametrize("face", ["async"])
    def test_take_may_be_cancelled_at_any_time(self, rig: Rig) -> None:
        worker, other = rig.worker(), rig.worker()
        for steps in range(1, 10):
            rig.face.interrupt(rig.broker.component.take(worker.owner, ["default"], 1, PATIENCE_S), steps)
        task = rig.add()
        assert worker.take(0, in_hand=[]) == []
        assert [delivery.id for delivery in other.take()] == [task]

    def test_tasks_of_others_are_not_reconciled(self, rig: Rig) -> None:
        rig.add()
        worker, other = rig.worker(), rig.worker()
        [theirs] = other.take()
        assert worker.take(in_hand=[theirs]) == []
        assert worker.take(in_hand=[]) == []
        assert other.succeed(theirs) == []

    def test_delivery_that_was_reconciled_away_cannot_be_finished(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [lost] = worker.take()
        [again] = worker.take(in_hand=[])
        assert worker.fail(lost) == [task]
        assert worker.succeed(again) == []
        assert rig.status(task) is TaskStatus.SUCCESS
