"""Workers that are killed and stopped, by default settings; judged by the ledger that the tasks write."""

import os
import signal
import time
from collections import Counter

import pytest
from qtasks import TaskStatus
from supervisor.fleet import Fleet, until

IN_FLIGHT = 20
"""Two processes of ten slots."""


def settle(fleet: Fleet, tasks: list, within_s: float) -> None:
    """Wait until the ledger holds an end of every task."""
    numbers = set(range(len(tasks)))
    until(lambda: numbers <= {number for number, _ in fleet.ledger("end")}, within_s, "every task has ended once")


def twice(fleet: Fleet) -> int:
    """How many tasks were started more often than once."""
    return sum(1 for starts in Counter(number for number, _ in fleet.ledger("start")).values() if starts > 1)


@pytest.mark.needs("sqlite")
@pytest.mark.timeout(120)
def test_group_killed_loses_nothing_and_repeats_only_what_was_in_flight(fleet, figure):
    tasks = fleet.add("nap", *((number, 0.02) for number in range(300)))
    fleet.run("-p", "2")
    until(lambda: len(fleet.ledger("end")) >= 60)
    fleet.signal(signal.SIGKILL, group=True)
    killed = time.monotonic()
    fleet.parent.wait()

    fleet.run("-p", "2")
    settle(fleet, tasks, 17)

    took, repeated = time.monotonic() - killed, twice(fleet)
    assert repeated <= IN_FLIGHT
    fleet.all_done(*tasks)
    figure(
        f"kill -9 of the group, 300 x 20 ms: 0 lost, {repeated} repeated (at most {IN_FLIGHT}), "
        f"all done after {took:.1f} s (at most 17)"
    )


@pytest.mark.needs("sqlite")
def test_tasks_of_a_killed_child_start_elsewhere_at_once(fleet, figure):
    fleet.run("-p", "2", "-c", "1")
    tasks = fleet.add("nap", (0, 0.5), (1, 0.5))
    (_, killed), _ = fleet.started(2)
    os.kill(killed, signal.SIGKILL)
    died = time.monotonic()

    until(lambda: any(fleet.record(task.uuid).crashes for task in tasks), 0.5, "the tasks are handed back")
    handed_back = time.monotonic() - died
    until(lambda: len(fleet.children) == 2, 2.0, "the pool is restored")
    restored = time.monotonic() - died

    settle(fleet, tasks, 20)
    assert twice(fleet) == 1
    figure(
        f"kill -9 of one child: handed back after {handed_back:.2f} s (at most 0.5), "
        f"pool restored after {restored:.2f} s (at most 2)"
    )


@pytest.mark.needs("sqlite")
@pytest.mark.timeout(120)
def test_sigterm_loses_nothing_and_repeats_nothing(fleet, figure):
    tasks = fleet.add("nap", *((number, 0.1) for number in range(160)))
    fleet.run("-p", "2")
    until(lambda: len(fleet.ledger("end")) >= 40)
    fleet.signal(signal.SIGTERM)
    asked = time.monotonic()
    status = fleet.ended()
    drained = time.monotonic() - asked
    left = sum(fleet.record(task.uuid).status is TaskStatus.NEW for task in tasks)

    fleet.run("-p", "2")
    settle(fleet, tasks, 20)

    assert status == 0
    assert left > 0
    assert twice(fleet) == 0
    figure(f"SIGTERM, 160 x 100 ms: 0 lost, 0 twice, exit {status} after {drained:.2f} s, {left} left for others")


@pytest.mark.needs("sqlite")
@pytest.mark.timeout(120)
def test_worker_stopped_for_two_leases_writes_nothing_of_its_old_incarnation(fleet, figure):
    fleet.run("-p", "1", "-c", "1", QTASKS_LEASE="2")
    (task,) = fleet.add("nap", (0, 3.0))
    ((_, stopped),) = fleet.started(1)
    fleet.signal(signal.SIGSTOP, group=True)
    rescue = Fleet("log of the rescue")
    try:
        rescue.run("-p", "1", QTASKS_LEASE="2")
        until(lambda: len(fleet.ledger("start")) == 2, 20, "somebody else has started it")
        fleet.signal(signal.SIGCONT, group=True)
        settle(fleet, [task], 20)
        fleet.all_done(task)
    finally:
        rescue.close()
    assert fleet.record(task.uuid).history == []
    assert task.returning != stopped
    until(lambda: "lost its lease" in fleet.log, 20, "the worker has noticed")
    figure("SIGSTOP for two leases: the late result was refused, the worker went on as a new incarnation")
