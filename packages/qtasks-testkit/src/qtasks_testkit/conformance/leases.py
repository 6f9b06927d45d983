"""What a broker promises about ownership: leases, fencing, hand-backs and deaths."""

from __future__ import annotations

from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import PATIENCE_S
from qtasks_testkit.rig import Rig


class Leases(Conformance):
    """Claims about `join`, `beat` and the end of a lease."""

    def test_lease_holds_while_it_is_renewed(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker(lease_s=15)
        [delivery] = worker.take()
        for _ in range(4):
            rig.clock.advance(10)
            assert worker.beat()
            rig.clean_up()
        assert worker.succeed(delivery) == []

    def test_lease_is_as_long_as_its_owner_asked_for(self, rig: Rig) -> None:
        short, long = rig.worker(lease_s=3), rig.worker(lease_s=30)
        rig.clock.advance(4)
        assert rig.broker.beat([short.owner, long.owner]) == {long.owner}

    def test_lost_lease_cannot_be_renewed(self, rig: Rig) -> None:
        worker = rig.worker(lease_s=15)
        rig.clock.advance(16)
        assert not worker.beat()
        assert not worker.beat()

    def test_unknown_owner_is_not_confirmed(self, rig: Rig) -> None:
        assert rig.broker.beat(["0" * 32]) == set()
        assert rig.broker.beat([]) == set()

    def test_owner_that_lost_its_lease_is_sent_away_at_once(self, rig: Rig) -> None:
        worker = rig.worker(lease_s=15)
        rig.clock.advance(16)
        rig.add()
        assert worker.is_sent_away(PATIENCE_S)
        rig.clean_up()
        assert worker.is_sent_away(PATIENCE_S)

    def test_tasks_of_a_lost_lease_come_back_uncounted(self, rig: Rig) -> None:
        tasks = rig.add_many(2)
        rig.worker(lease_s=15).take(2)
        rig.clock.advance(16)
        rig.clean_up()
        assert [rig.status(task) for task in tasks] == [TaskStatus.NEW] * 2
        deliveries = rig.worker().take(2)
        assert [delivery.id for delivery in deliveries] == tasks
        assert {(one.attempt, one.crashes, one.recovered) for one in deliveries} == {(0, 0, True)}

    def test_lost_leases_never_make_a_task_dead(self, rig: Rig) -> None:
        task = rig.add()
        for _ in range(5):
            assert rig.worker(lease_s=15).take()
            rig.clock.advance(16)
            rig.clean_up()
        assert rig.status(task) is TaskStatus.NEW

    def test_clock_of_the_day_does_not_touch_leases(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker(lease_s=15)
        [delivery] = worker.take()
        rig.clock.set_wall_clock_forward(3600)
        rig.clean_up()
        assert worker.beat()
        rig.clock.set_wall_clock_forward(-7200)
        assert worker.beat()
        assert worker.succeed(delivery) == []

    def test_joining_again_changes_nothing_but_the_lease(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker(lease_s=15)
        [delivery] = worker.take()
        rig.clock.advance(10)
        rig.broker.join(worker.owner, "w", 15)
        rig.clock.advance(10)
        assert worker.beat()
        assert worker.succeed(delivery) == []

    def test_joining_again_after_the_lease_is_over_brings_nothing_back(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker(lease_s=15)
        [delivery] = worker.take()
        rig.clock.advance(16)
        rig.broker.join(worker.owner, "w", 15)
        assert worker.succeed(delivery) == [task]
        assert [again.id for again in rig.worker().take()] == [task]


class Fencing(Conformance):
    """Claims about outcomes that come too late: refused by name, and without a trace."""

    def test_outcome_of_a_task_that_somebody_else_has_is_refused(self, rig: Rig) -> None:
        task = rig.add()
        late, other = rig.worker(), rig.worker()
        [delivery] = late.take()
        rig.clock.advance(10)
        other.beat()
        rig.clock.advance(10)
        other.beat()
        [theirs] = other.take()
        before = rig.record(task)
        assert late.succeed(delivery, result=b'"late"') == [task]
        assert rig.record(task) == before
        assert other.succeed(theirs, result=b'"theirs"') == []
        assert late.succeed(delivery, result=b'"late"') == [task]
        assert rig.record(task).result == b'"theirs"'

    def test_outcome_is_refused_as_soon_as_the_lease_is_over(self, rig: Rig) -> None:
        task = rig.add()
        late = rig.worker(lease_s=15)
        [delivery] = late.take()
        rig.clock.advance(16)  # nobody has taken the task from it yet
        assert late.succeed(delivery) == [task]
        rig.clean_up()
        assert late.retry(delivery) == [task]
        assert rig.status(task) is TaskStatus.NEW

    def test_outcome_is_refused_after_the_release(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        worker.leave()
        assert worker.succeed(delivery) == [task]
        assert rig.status(task) is TaskStatus.NEW

    def test_outcome_of_an_earlier_delivery_to_the_same_owner_is_refused(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [earlier] = worker.take()
        worker.hand_back(earlier)
        [delivery] = worker.take()
        assert worker.fail(earlier) == [task]
        assert worker.succeed(delivery) == []
        assert rig.status(task) is TaskStatus.SUCCESS

    def test_outcome_of_another_owners_delivery_is_refused(self, rig: Rig) -> None:
        task = rig.add()
        worker, thief = rig.worker(), rig.worker()
        [delivery] = worker.take()
        assert thief.succeed(delivery) == [task]
        assert worker.succeed(delivery) == []

    def test_refused_outcome_does_not_hold_up_its_batch(self, rig: Rig) -> None:
        first, second, third = rig.add_many(3)
        worker = rig.worker()
        deliveries = worker.take(3)
        worker.hand_back(deliveries[1])
        assert worker.finish(*map(rig.outcome, deliveries)) == [second]
        assert [rig.status(task) for task in (first, second, third)] == ["success", "new", "success"]

    def test_stream_value_is_refused_like_an_outcome(self, rig: Rig) -> None:
        task = rig.add()
        worker, other = rig.worker(), rig.worker()
        [delivery] = worker.take()
        worker.leave()
        assert worker.stream(delivery, b'"late"') == [task]
        other.take()
        assert worker.stream(delivery, b'"late"') == [task]
        assert rig.storage.read_stream(task, 0, 0, 0).values == []


class Releasing(Conformance):
    """Claims about `release`: the hand-back, and the counted death."""

    def test_hand_back_at_the_end_counts_for_nothing(self, rig: Rig) -> None:
        tasks = rig.add_many(2)
        worker = rig.worker()
        worker.take(2)
        assert sorted(worker.leave()) == sorted(tasks)
        deliveries = rig.worker().take(2)
        assert [delivery.id for delivery in deliveries] == tasks
        assert {(one.attempt, one.crashes, one.recovered) for one in deliveries} == {(0, 0, False)}

    def test_release_ends_the_incarnation(self, rig: Rig) -> None:
        rig.add()
        worker = rig.worker()
        worker.leave()
        assert not worker.beat()
        assert worker.is_sent_away()

    def test_release_may_be_repeated(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.take()
        assert [worker.die(), worker.die(), worker.leave()] == [[task], [], []]
        assert rig.record(task).crashes == 1

    def test_release_of_an_unknown_owner_does_nothing(self, rig: Rig) -> None:
        assert rig.broker.release("0" * 32) == []

    def test_message_is_redelivered_when_its_worker_dies(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        worker.take()
        assert worker.die() == [task]
        [delivery] = rig.worker().take()
        assert (delivery.id, delivery.attempt, delivery.crashes, delivery.recovered) == (task, 0, 1, True)

    def test_death_of_one_worker_leaves_the_tasks_of_others_alone(self, rig: Rig) -> None:
        rig.add_many(2)
        innocent, dying = rig.worker(), rig.worker()
        [delivery] = innocent.take()
        dying.take()
        dying.die()
        assert rig.record(delivery.id).crashes == 0
        assert innocent.succeed(delivery) == []

    def test_third_counted_death_makes_a_task_dead_with_the_notes(self, rig: Rig) -> None:
        task = rig.add()
        for note in ("out of memory", "segmentation fault", "killed by signal 9"):
            rig.worker().leave()
            worker = rig.worker(name="unlucky")
            assert [delivery.id for delivery in worker.take()] == [task]
            assert worker.die(note) == [task]
        record = rig.record(task)
        assert rig.worker().take() == []
        assert (record.status, record.crashes) == (TaskStatus.DEAD, 3)
        deaths = [note for note in record.history if note.crash]
        assert [note.error for note in deaths] == ["out of memory", "segmentation fault", "killed by signal 9"]
        assert {note.worker for note in deaths} == {"unlucky"}
        assert record.error is not None

    def test_hand_backs_between_deaths_are_not_counted(self, rig: Rig) -> None:
        task = rig.add()
        for end in ("die", "leave", "die", "leave", "leave"):
            worker = rig.worker()
            worker.take()
            getattr(worker, end)()
        record = rig.record(task)
        assert (record.status, record.crashes, record.attempt) == (TaskStatus.NEW, 2, 0)
