"""What becomes of tasks when worker processes or their supervisor die."""

import os
import signal
import time

import pytest
from qtasks import TaskStatus
from qtasks_testkit.faults.fleet import APP, until


def test_tasks_of_a_killed_child_are_handed_back_at_once_and_the_pool_is_restored(fleet):
    fleet.run("-p", "2", "-c", "1")
    tasks = fleet.add("nap", (1, 1.0), (2, 1.0))
    (_, killed), (undisturbed, survivor) = fleet.started(2)
    os.kill(killed, signal.SIGKILL)
    died = time.monotonic()

    crashed = until(lambda: [task for task in tasks if fleet.record(task.uuid).crashes], within_s=0.5)

    until(lambda: len(fleet.children) == 2, within_s=died + 2 - time.monotonic())
    fleet.all_done(*tasks)
    assert (undisturbed, survivor) in fleet.ledger("end")
    assert len(fleet.ledger("start")) == 3
    (note,) = [note for task in crashed for note in fleet.record(task.uuid).history]
    assert note.error == f"killed by signal 9 (SIGKILL), pid {killed}"
    (one,) = crashed
    until(lambda: f"Handed back from a dead worker ({note.error}): nap {one.uuid.hex}." in fleet.log)


@pytest.mark.parametrize("status", [0, 3])
def test_a_task_that_ends_its_process_is_a_death_whatever_the_status(fleet, status):
    fleet.run()
    (task,) = fleet.add("leave", (status,))
    ended = task.wait_result(timeout=20)
    assert ended.status is TaskStatus.DEAD
    notes = [note.error for note in fleet.record(task.uuid).history]
    assert [note.rpartition(",")[0] for note in notes] == [f"exited with status {status}"] * 3
    until(lambda: f"Task leave {task.uuid.hex} is a dead letter: 3 workers died with it." in fleet.log)
    assert f"`qtasks -A app:app stats inspect task {task.uuid.hex}` tells of each death" in fleet.log
    assert f"`qtasks -A app:app dlq replay {task.uuid.hex}` runs it again" in fleet.log
    counts = until(lambda: (found := counted(fleet)["leave"]).failures and found)
    assert (counts.runs, counts.crashes, counts.failures) == (0, 3, 1)
    assert counts.last_error == f"WorkerDied: {fleet.record(task.uuid).error.text}"


def counted(fleet):
    """The counters by task name."""
    return fleet.queue.runtime.run_blocking(lambda link: link.storage.counts())


@pytest.mark.parametrize("task", ["nap", "block", "block_the_loop"])
def test_children_end_when_their_parent_is_killed(fleet, task):
    fleet.run("-p", "2", "-c", "1")
    tasks = fleet.add(task, (1, 30.0), (2, 30.0))
    fleet.started(2)
    fleet.signal(signal.SIGKILL)
    until(lambda: not fleet.processes, within_s=2)
    if task != "block_the_loop":  # there the lease has to end by itself
        assert [fleet.record(each.uuid).status for each in tasks] == [TaskStatus.NEW] * 2
        assert [fleet.record(each.uuid).crashes for each in tasks] == [0] * 2


def test_a_blocked_event_loop_keeps_its_lease(fleet):
    fleet.run("-p", "2", "-c", "1", QTASKS_LEASE="0.6")
    tasks = fleet.add("block_the_loop", (1, 2.5))
    fleet.all_done(*tasks)
    assert len(fleet.ledger("start")) == 1


def test_a_stalled_child_is_killed_as_a_crash_when_there_is_a_limit(fleet):
    fleet.run("-c", "1", QTASKS_STALL_LIMIT="1")
    (task,) = fleet.add("block_the_loop", (1, 30.0))
    (note,) = until(lambda: fleet.record(task.uuid).history)
    assert "its event loop made no step for" in note.error


def test_a_child_that_cannot_start_ends_the_run_with_its_error(fleet):
    fleet.write(APP + "import sys\nif 'qtasks.app.child' in sys.orig_argv:\n    raise RuntimeError('no luck today')\n")
    fleet.run()
    assert fleet.ended() == 1
    assert "Giving up: 3 worker processes in a row could not start. The last one: RuntimeError: no luck" in fleet.log
