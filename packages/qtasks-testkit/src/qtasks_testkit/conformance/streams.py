"""What readers of a stream are promised: values while the task runs, from any offset, of the newest attempt."""

from __future__ import annotations

from qtasks.message import StreamItem, StreamSlice
from qtasks.types import TaskStatus

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import PATIENCE_S
from qtasks_testkit.rig import OpenRig, Rig


class Streams(Conformance):
    """Claims about stream values in `finish` and about `read_stream`."""

    def test_values_can_be_read_while_the_task_runs(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        assert worker.stream(delivery, b"1", b'"\xc3\xa9"') == []
        assert rig.storage.read_stream(task, 0, 0, 0) == StreamSlice(0, [b"1", b'"\xc3\xa9"'], TaskStatus.PROCESS)

    def test_reading_goes_on_from_an_offset(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        worker.stream(delivery, b"0", b"1")
        worker.stream(delivery, b"2", offset=2)
        assert rig.storage.read_stream(task, 0, 1, 0).values == [b"1", b"2"]
        assert rig.storage.read_stream(task, 0, 3, 0).values == []

    def test_values_written_with_the_outcome_are_kept_as_long_as_the_record(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        outcome = rig.outcome(delivery, result=None, truncated=True, keep_s=60)
        assert worker.finish(outcome, items=[StreamItem(delivery, 0, b"1")]) == []
        assert rig.storage.read_stream(task, 0, 0, PATIENCE_S) == StreamSlice(0, [b"1"], TaskStatus.SUCCESS)
        rig.clock.advance(61)
        rig.clean_up()
        assert rig.storage.read_stream(task, 0, 0, 0) is None

    def test_values_of_many_tasks_are_written_in_one_call(self, rig: Rig) -> None:
        tasks = rig.add_many(3)
        worker = rig.worker()
        items = [StreamItem(delivery, place, b"%d" % place) for delivery in worker.take(3) for place in range(2)]
        assert worker.finish(items=items) == []
        assert [rig.storage.read_stream(task, 0, 0, 0).values for task in tasks] == [[b"0", b"1"]] * 3

    def test_repeated_write_changes_nothing(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        for _ in range(2):
            assert worker.stream(delivery, b"0", b"1") == []
        assert rig.storage.read_stream(task, 0, 0, 0).values == [b"0", b"1"]

    def test_new_attempt_is_answered_from_its_beginning(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        worker.stream(delivery, b'"a0"', b'"a1"')
        worker.retry(delivery)
        [again] = worker.take()
        assert rig.storage.read_stream(task, 1, 0, 0).values == []
        worker.stream(again, b'"b0"')
        assert rig.storage.read_stream(task, 0, 2, 0) == StreamSlice(1, [b'"b0"'], TaskStatus.PROCESS)
        assert rig.storage.read_stream(task, 1, 1, 0).values == []

    def test_run_that_begins_again_after_a_death_leaves_no_value_of_the_one_before(self, rig: Rig) -> None:
        task = rig.add()
        dying, worker = rig.worker(), rig.worker()
        [delivery] = dying.take()
        dying.stream(delivery, b'"a0"', b'"a1"', b'"a2"')
        dying.die()
        [delivery] = worker.take()
        worker.stream(delivery, b'"b0"')
        assert rig.storage.read_stream(task, 0, 0, 0).values == [b'"b0"']

    def test_values_beyond_the_cap_are_not_kept(self, open_rig: OpenRig) -> None:
        rig = open_rig(stream_cap=3)
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        worker.stream(delivery, b"0", b"1")
        worker.stream(delivery, b"2", b"3", b"4", offset=2)
        worker.stream(delivery, b"5", offset=5)
        assert rig.storage.read_stream(task, 0, 0, 0).values == [b"0", b"1", b"2"]
        assert worker.succeed(delivery) == []

    def test_stream_of_an_unknown_task_is_none(self, rig: Rig) -> None:
        assert rig.storage.read_stream("0" * 32, 0, 0, PATIENCE_S) is None

    def test_stream_without_values_is_empty_when_time_is_up(self, rig: Rig) -> None:
        task = rig.add()
        assert rig.storage.read_stream(task, 0, 0, 0.01) == StreamSlice(0, [], TaskStatus.NEW)

    def test_waiting_reader_gets_a_value_and_then_the_end(self, rig: Rig) -> None:
        task = rig.add()
        worker = rig.worker()
        [delivery] = worker.take()
        read = rig.storage.start("read_stream", task, 0, 0, PATIENCE_S)
        worker.stream(delivery, b"0")
        assert read() == StreamSlice(0, [b"0"], TaskStatus.PROCESS)
        read = rig.storage.start("read_stream", task, 0, 1, PATIENCE_S)
        worker.succeed(delivery)
        assert read() == StreamSlice(0, [], TaskStatus.SUCCESS)
