"""Signals, bursts and recycling: how a run ends, and how its processes are renewed."""

import os
import signal
from pathlib import Path

import pytest
from qtasks import TaskStatus
from qtasks_testkit.faults.fleet import APP, until


@pytest.mark.parametrize(
    ("task", "number", "group"),
    [
        ("nap", signal.SIGTERM, False),
        ("block", signal.SIGTERM, False),
        ("nap", signal.SIGTERM, True),
        ("nap", signal.SIGINT, True),
        ("nap", signal.SIGHUP, True),
    ],
)
def test_running_tasks_finish_and_queued_ones_stay_when_it_is_told_to_stop(fleet, task, number, group):
    fleet.run("-c", "2")
    tasks = fleet.add(task, *((n, 0.6) for n in range(6)))
    running = fleet.started(2)
    fleet.signal(number, group=group)
    assert fleet.ended() == 0
    assert sorted(fleet.ledger("end")) == sorted(fleet.ledger("start")) == sorted(running)
    statuses = [fleet.record(each.uuid).status for each in tasks]
    assert (statuses.count(TaskStatus.SUCCESS), statuses.count(TaskStatus.NEW)) == (2, 4)


def test_two_signals_at_once_are_one(fleet):
    fleet.run()
    tasks = fleet.add("nap", (1, 0.6))
    fleet.started(1)
    fleet.signal(signal.SIGTERM)
    fleet.signal(signal.SIGINT)
    assert fleet.ended() == 0
    assert fleet.record(tasks[0].uuid).status is TaskStatus.SUCCESS


def test_it_can_be_stopped_while_it_starts(fleet):
    fleet.run("-p", "2")
    until(lambda: fleet.children)
    fleet.signal(signal.SIGTERM)
    assert fleet.ended(within_s=5) == 0


LINGERS = """
import pathlib, sys, time
if ("qtasks.app.child" in sys.orig_argv) is {in_child}:
    pathlib.Path("importing").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_anything_is_started_ends_it_in_order(fleet, number):
    fleet.write(LINGERS.format(in_child=False))
    fleet.run()
    until(Path("importing").exists)
    fleet.signal(number)
    assert fleet.ended(within_s=5) == 0
    assert fleet.log == f"Stopped by {number.name}: no worker runs.\n"


def test_a_signal_to_the_group_ends_children_that_start_in_order(fleet):
    fleet.write(APP + LINGERS.format(in_child=True))
    fleet.run()
    until(Path("importing").exists)
    fleet.signal(signal.SIGTERM, group=True)
    assert fleet.ended(within_s=5) == 0
    assert "Stopping on SIGTERM" in fleet.log
    assert "died" not in fleet.log
    assert "could not start" not in fleet.log


def test_tasks_that_outlive_the_grace_are_handed_back_uncounted(fleet):
    fleet.run("-c", "1", "--grace", "500ms")
    tasks = fleet.add("nap", (1, 30.0))
    fleet.started(1)
    fleet.signal(signal.SIGTERM)
    assert fleet.ended() == 0
    handed_back_uncounted(fleet, tasks)


@pytest.mark.parametrize("task", ["nap", "block", "block_the_loop"])
def test_the_second_signal_hands_running_tasks_back_at_once(fleet, task):
    fleet.run("-p", "2", "-c", "1")
    tasks = fleet.add(task, (1, 30.0), (2, 30.0))
    fleet.started(2)
    fleet.signal(signal.SIGTERM)
    until(lambda: "Stopping" in fleet.log)
    until(lambda: fleet.signal(signal.SIGTERM) or "Second signal" in fleet.log)
    assert fleet.ended(within_s=3) == 0
    handed_back_uncounted(fleet, tasks)


def test_a_child_that_is_told_to_stop_finishes_and_is_replaced(fleet):
    fleet.run("-c", "1")
    tasks = fleet.add("nap", (1, 0.5), (2, 0.0))
    ((_, first),) = fleet.started(1)
    os.kill(first, signal.SIGTERM)
    fleet.all_done(*tasks)
    assert [pid == first for _, pid in fleet.ledger("end")] == [True, False]


def test_a_burst_ends_when_the_queue_is_empty(fleet):
    fleet.run("-p", "2", "--burst")
    tasks = fleet.add("block", *((n, 0.01) for n in range(40)))
    assert fleet.ended() == 0
    fleet.all_done(*tasks)
    assert len(fleet.ledger("end")) == 40


def test_a_burst_goes_on_after_the_death_of_a_child(fleet):
    tasks = fleet.add("leave", (1,)) + fleet.add("nap", *((n, 0.0) for n in range(10)))
    fleet.run("--burst")
    assert fleet.ended() == 0
    assert fleet.record(tasks[0].uuid).status is TaskStatus.DEAD
    fleet.all_done(*tasks[1:])


def test_a_child_is_replaced_after_so_many_tasks(fleet):
    fleet.run("-c", "1", "--max-tasks-per-child", "3")
    tasks = fleet.add("nap", *((n, 0.05) for n in range(9)))
    fleet.all_done(*tasks)
    pids = [pid for _, pid in fleet.ledger("start")]
    assert len(pids) == 9
    assert 1 < max(map(pids.count, pids)) <= 3


def test_a_retiring_child_finishes_what_it_has_while_another_one_works(fleet):
    fleet.run("-c", "2", "--max-tasks-per-child", "2", "--grace", "1s")
    tasks = fleet.add("nap", (1, 2.0), (2, 0.0), (3, 0.0))
    fleet.all_done(*tasks)
    ends = dict(fleet.ledger("end"))
    assert [number for number, _ in fleet.ledger("end")] == [2, 3, 1]
    assert ends[1] == ends[2] != ends[3]


def test_a_child_that_uses_too_much_memory_is_replaced(fleet):
    fleet.run("--max-memory-per-child", "150MiB")
    (task,) = fleet.add("hog", (1, 200))
    first = task.wait_result(timeout=20).returning
    until(lambda: fleet.children and first not in fleet.children)
    assert "retires: it uses" in fleet.log


def handed_back_uncounted(fleet, tasks) -> None:
    records = [fleet.record(task.uuid) for task in tasks]
    assert [(record.status, record.crashes, record.attempt) for record in records] == [(TaskStatus.NEW, 0, 0)] * len(
        tasks
    )
