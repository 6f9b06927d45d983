"""Workers that are killed and stopped, by default settings; judged by the ledger that the tasks write."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest
from qtasks import TaskStatus

from qtasks_testkit.faults.base import Faults, Figure, OpenFleet
from qtasks_testkit.faults.fleet import Fleet, until

IN_FLIGHT = 20
"""Two processes of ten slots."""


def in_status(fleet: Fleet, tasks: list[Any], status: TaskStatus) -> int:
    """How many of the tasks are in a status."""
    return sum(fleet.record(task.uuid).status is status for task in tasks)


class WorkerDeaths(Faults):
    """What becomes of tasks when processes die, or stand still."""

    @pytest.mark.timeout(120)
    def test_group_killed_loses_nothing_and_repeats_only_what_was_in_flight(
        self, fleet: Fleet, chance: random.Random, figure: Figure
    ) -> None:
        tasks = fleet.add("nap", *((number, 0.02) for number in range(300)))
        fleet.run("-p", "2")
        soon = chance.randint(20, 150)
        until(lambda: len(fleet.ledger("end")) >= soon)
        fleet.signal(signal.SIGKILL, group=True)
        killed = time.monotonic()
        fleet.parent.wait()

        fleet.run("-p", "2")
        fleet.settled(len(tasks), self.recovers_within_s)

        took, repeated = time.monotonic() - killed, fleet.repeated
        assert repeated <= IN_FLIGHT
        fleet.all_done(*tasks)
        figure(
            f"kill -9 of the group, 300 x 20 ms: 0 lost, {repeated} repeated (at most {IN_FLIGHT}), "
            f"all done after {took:.1f} s (at most {self.recovers_within_s:g})"
        )

    def test_tasks_of_a_killed_child_start_elsewhere_at_once(self, fleet: Fleet, figure: Figure) -> None:
        fleet.run("-p", "2", "-c", "1")
        tasks = fleet.add("nap", (0, 0.5), (1, 0.5))
        (_, killed), _ = fleet.started(2)
        os.kill(killed, signal.SIGKILL)
        died = time.monotonic()

        until(
            lambda: any(fleet.record(task.uuid).crashes for task in tasks),
            self.hands_back_within_s,
            "the tasks are handed back",
        )
        handed_back = time.monotonic() - died
        until(lambda: len(fleet.children) == 2, 2.0, "the pool is restored")
        restored = time.monotonic() - died

        fleet.settled(len(tasks), 20)
        assert fleet.repeated == 1
        figure(
            f"kill -9 of one child: handed back after {handed_back:.2f} s (at most {self.hands_back_within_s:g}), "
            f"pool restored after {restored:.2f} s (at most 2)"
        )

    def test_children_hand_back_and_end_when_only_their_parent_is_killed(self, fleet: Fleet, figure: Figure) -> None:
        fleet.run("-p", "2", "-c", "1")
        tasks = fleet.add("nap", (0, 30.0), (1, 30.0))
        fleet.started(2)
        fleet.signal(signal.SIGKILL)
        killed = time.monotonic()

        until(lambda: not fleet.processes, 2.0, "the children have ended")

        took = time.monotonic() - killed
        assert in_status(fleet, tasks, TaskStatus.NEW) == 2
        assert [fleet.record(task.uuid).crashes for task in tasks] == [0, 0]
        figure(f"kill -9 of the parent: the children have handed back and ended after {took:.2f} s (at most 2)")

    @pytest.mark.timeout(120)
    def test_sigterm_loses_nothing_and_repeats_nothing(
        self, fleet: Fleet, chance: random.Random, figure: Figure
    ) -> None:
        tasks = fleet.add("nap", *((number, 0.1) for number in range(160)))
        fleet.run("-p", "2")
        soon = chance.randint(10, 60)
        until(lambda: len(fleet.ledger("end")) >= soon)
        fleet.signal(signal.SIGTERM)
        asked = time.monotonic()
        status = fleet.ended()
        drained = time.monotonic() - asked
        left = in_status(fleet, tasks, TaskStatus.NEW)

        fleet.run("-p", "2")
        fleet.settled(len(tasks), 20)

        assert status == 0
        assert left > 0
        assert fleet.repeated == 0
        figure(f"SIGTERM, 160 x 100 ms: 0 lost, 0 twice, exit {status} after {drained:.2f} s, {left} left for others")

    @pytest.mark.timeout(120)
    def test_worker_stopped_for_two_leases_writes_nothing_of_its_old_incarnation(
        self, fleet: Fleet, open_fleet: OpenFleet, figure: Figure
    ) -> None:
        fleet.run("-p", "1", "-c", "1", QTASKS_LEASE="2")
        (task,) = fleet.add("nap", (0, 3.0))
        ((_, stopped),) = fleet.started(1)
        fleet.signal(signal.SIGSTOP, group=True)
        rescue = open_fleet()
        rescue.run("-p", "1", QTASKS_LEASE="2")
        until(lambda: len(fleet.ledger("start")) == 2, 20, "somebody else has started it")
        fleet.signal(signal.SIGCONT, group=True)
        fleet.settled(1, 20)
        fleet.all_done(task)

        assert fleet.record(task.uuid).history == []
        assert task.returning != stopped
        until(lambda: "lost its lease" in fleet.log, 20, "the worker has noticed")
        figure("SIGSTOP for two leases: the late result was refused, the worker went on as a new incarnation")
