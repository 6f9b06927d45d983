"""The conformance suite of storages: reading, and the small things beside the tasks."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from qtasks.message import Record, new_id
from qtasks.ports import TaskCounts, WorkerFacts
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.rig import OpenRig, Rig


class StorageConformance(Conformance):
    """What `qtasks.ports.Storage` promises, beside its own broker."""

    def test_records_come_in_the_order_asked_for(self, rig: Rig) -> None:
        first, second = rig.add_many(2)
        records = rig.storage.get_many([second, "0" * 32, first, second])
        assert [record and record.id for record in records] == [second, None, first, second]
        assert rig.storage.get_many([]) == []

    def test_many_records_are_read_in_one_call(self, rig: Rig) -> None:
        tasks = rig.add_many(1200)
        assert [record.id for record in rig.storage.get_many(tasks)] == tasks

    def test_storage_shares_its_own_broker_and_no_other_namespace(self, rig: Rig, open_rig: OpenRig) -> None:
        other = open_rig(namespace="other")
        assert rig.storage.component.shares(rig.broker.component)
        assert not rig.storage.component.shares(other.broker.component)

    def test_removed_records_are_gone_whatever_their_status(self, rig: Rig) -> None:
        finished, running, waiting, other = rig.add_many(4)
        worker = rig.worker()
        first, second = worker.take(2)
        worker.succeed(first)
        rig.storage.remove([finished, running, waiting, "0" * 32, finished])
        assert [rig.status(task) for task in (finished, running, waiting, other)] == [None, None, None, "new"]
        assert worker.succeed(second) == [running]
        assert [delivery.id for delivery in worker.take(5)] == [other]
        rig.storage.remove([])

    def test_find_gives_each_task_once_the_newest_first(self, rig: Rig) -> None:
        tasks = []
        for _ in range(3):
            tasks += rig.add_many(2)
            rig.clock.advance(1)
        worker = rig.worker()
        worker.finish(*map(rig.outcome, worker.take(2), [TaskStatus.SUCCESS, TaskStatus.DEAD]))
        assert [record.id for record in rig.storage.find()] == tasks[::-1]
        assert [record.id for record in rig.storage.find(limit=2)] == tasks[:-3:-1]

    def test_find_fits_all_that_is_given(self, rig: Rig) -> None:
        places = [(task, queue) for task in ("a", "b") for queue in ("x", "y")]
        ids = {place: rig.add(place[0], queue=place[1]) for place in places}
        worker = rig.worker()
        worker.succeed(*worker.take(1, ["x"]))
        worker.take(1, ["y"])

        def found(**criteria: Any) -> set[str]:
            return {record.id for record in rig.storage.find(**criteria)}

        assert found(task="a") == {ids["a", "x"], ids["a", "y"]}
        assert found(queue="y") == {ids["a", "y"], ids["b", "y"]}
        assert found(task="b", queue="x") == {ids["b", "x"]}
        assert found(status=TaskStatus.SUCCESS) == {ids["a", "x"]}
        assert found(status=TaskStatus.PROCESS) == {ids["a", "y"]}
        assert found(status=TaskStatus.NEW, task="b") == {ids["b", "x"], ids["b", "y"]}
        assert found(status=TaskStatus.DEAD) == found(task="A") == found(queue="z") == set()

    def test_terminal_record_allows_the_link_to_its_replay(self, rig: Rig) -> None:
        parent = rig.add()
        worker = rig.worker()
        worker.fail(*worker.take())
        before = rig.record(parent)
        child = rig.add(parent=parent)
        rig.storage.link(parent, child)
        assert rig.record(parent).child == child
        assert attrs_of(rig.record(parent), "child") == attrs_of(before, "child")
        rig.storage.link("0" * 32, child)


def attrs_of(record: Record, *but: str) -> dict[str, Any]:
    """All fields of a record but these."""
    return {name: getattr(record, name) for name in record.__struct_fields__ if name not in but}


class ReportConformance(Conformance):
    """What a storage promises to those who look at workers and counters."""

    def facts(self, rig: Rig, **fields: Any) -> WorkerFacts:
        now = rig.clock.wall_us()
        defaults: dict[str, Any] = {
            "owner": new_id(),
            "name": "w",
            "host": "h",
            "pid": 1,
            "version": "0",
            "started": now,
            "beat": now,
        }
        return WorkerFacts(**defaults | fields)

    def test_last_report_of_every_worker_can_be_read(self, rig: Rig) -> None:
        running = [{"id": new_id(), "task": "t", "started": 5}]
        first = self.facts(rig, queues=["a", "b"], slots=10, running=running, rss_bytes=2**40, cpu_s=0.5, lag_s=0.01)
        second = self.facts(rig, name="other", refused=3)
        rig.storage.report(first, {})
        rig.storage.report(second, {})
        rig.clock.advance(5)
        first = attrs.evolve(first, beat=rig.clock.wall_us(), running=[])
        rig.storage.report(first, {})
        assert sorted(rig.storage.workers(), key=lambda facts: facts.name) == [second, first]

    def test_silent_worker_is_forgotten(self, rig: Rig) -> None:
        silent = self.facts(rig)
        rig.storage.report(silent, {})
        rig.clock.advance(10)
        assert rig.storage.workers() == [silent]
        rig.clock.advance(50)
        living = self.facts(rig)
        rig.storage.report(living, {})
        assert rig.storage.workers() == [living]

    @pytest.mark.parametrize("end", ["leave", "die"])
    def test_worker_that_left_or_died_is_forgotten_at_once(self, rig: Rig, end: str) -> None:
        if not rig.storage.component.shares(rig.broker.component):
            pytest.skip("the broker is another's: workers are forgotten when they have been silent")
        gone, living = rig.worker(), rig.worker()
        for worker in (gone, living):
            rig.storage.report(self.facts(rig, owner=worker.owner), {"t": TaskCounts(runs=1)})
        getattr(gone, end)()
        assert [facts.owner for facts in rig.storage.workers()] == [living.owner]
        assert rig.storage.counts()["t"].runs == 2

    def test_counters_are_added_up_by_task(self, rig: Rig) -> None:
        def counts(runs: int, bucket: int, last_error: str = "") -> TaskCounts:
            histogram = [0] * 40
            histogram[bucket] = runs
            return TaskCounts(runs, 1, 2, 3, 4, histogram, histogram[::-1], last_error, 10 * runs, 20 * runs)

        rig.storage.report(self.facts(rig), {"a": counts(5, 3, "ValueError: x"), "b": counts(1, 0)})
        rig.storage.report(self.facts(rig), {"a": counts(2, 4)})
        expected = counts(5, 3, "ValueError: x")
        expected.add(counts(2, 4))
        assert rig.storage.counts() == {"a": expected, "b": counts(1, 0)}

    def test_counters_of_others_are_no_report_of_a_worker(self, rig: Rig) -> None:
        rig.storage.report(None, {"a": TaskCounts(crashes=1, failures=1)})
        assert rig.storage.workers() == []
        assert rig.storage.counts() == {"a": TaskCounts(crashes=1, failures=1)}

    def test_counters_that_were_read_do_not_change(self, rig: Rig) -> None:
        rig.storage.report(self.facts(rig), {"a": TaskCounts(runs=1)})
        before = rig.storage.counts()
        rig.storage.report(self.facts(rig), {"a": TaskCounts(runs=1)})
        assert (before["a"].runs, rig.storage.counts()["a"].runs) == (1, 2)


class ValueConformance(Conformance):
    """What a storage promises about shared values."""

    def test_value_that_is_not_there_has_version_zero(self, rig: Rig) -> None:
        assert rig.storage.load_value("k") == (None, 0)

    def test_value_is_loaded_as_it_was_saved(self, rig: Rig) -> None:
        assert rig.storage.save_value("k", b"\x00\xff", 0)
        value, version = rig.storage.load_value("k")
        assert (value, version != 0) == (b"\x00\xff", True)

    def test_only_the_first_of_two_that_loaded_the_same_version_saves(self, rig: Rig) -> None:
        rig.storage.save_value("k", b"0", 0)
        _, version = rig.storage.load_value("k")
        assert rig.storage.save_value("k", b"1", version)
        assert not rig.storage.save_value("k", b"2", version)
        assert not rig.storage.save_value("k", b"2", 0)
        assert rig.storage.load_value("k")[0] == b"1"

    def test_none_deletes_if_the_version_is_still_the_same(self, rig: Rig) -> None:
        rig.storage.save_value("k", b"0", 0)
        _, version = rig.storage.load_value("k")
        assert not rig.storage.save_value("k", None, 0)
        assert rig.storage.save_value("k", None, version)
        assert rig.storage.load_value("k") == (None, 0)

    def test_value_made_anew_does_not_pass_for_the_deleted_one(self, rig: Rig) -> None:
        rig.storage.save_value("k", b"0", 0)
        _, version = rig.storage.load_value("k")
        rig.storage.save_value("k", None, version)
        rig.storage.save_value("k", b"1", 0)
        assert not rig.storage.save_value("k", b"2", version)

    def test_value_is_forgotten_when_its_time_is_over(self, rig: Rig) -> None:
        rig.storage.save_value("k", b"0", 0, ttl_s=10)
        rig.clock.advance(9)
        value, version = rig.storage.load_value("k")
        assert value == b"0"
        rig.clock.advance(2)
        assert rig.storage.load_value("k") == (None, 0)
        assert rig.storage.find_values("") == {}
        assert not rig.storage.save_value("k", b"1", version)
        assert rig.storage.save_value("k", b"1", 0)

    def test_saving_again_sets_the_time_anew(self, rig: Rig) -> None:
        rig.storage.save_value("k", b"0", 0, ttl_s=10)
        rig.storage.save_value("k", b"1", rig.storage.load_value("k")[1])
        rig.clock.advance(1000)
        rig.clean_up()
        assert rig.storage.load_value("k")[0] == b"1"

    @pytest.mark.parametrize("prefix", ["a", "a_", "a%", "a*", "A"])
    def test_values_are_found_by_their_literal_prefix(self, rig: Rig, prefix: str) -> None:
        keys = ["a", "ab", "a_b", "a%b", "a*b", "A", "b"]
        for key in keys:
            rig.storage.save_value(key, key.encode(), 0)
        assert rig.storage.find_values(prefix) == {key: key.encode() for key in keys if key.startswith(prefix)}

    def test_values_are_kept_apart_by_namespace(self, rig: Rig, open_rig: OpenRig) -> None:
        rig.storage.save_value("k", b"0", 0)
        assert open_rig(namespace="other").storage.load_value("k") == (None, 0)

    def test_many_writers_lose_no_update(self, rig: Rig, open_rig: OpenRig) -> None:
        other = open_rig()
        for turn in range(10):
            for storage in (rig.storage, other.storage):
                value, version = storage.load_value("n")
                assert storage.save_value("n", b"%d" % (int(value or 0) + 1), version), turn
        assert rig.storage.load_value("n")[0] == b"20"
