"""Processes that die in the middle of a step of the backend: at each of its crash points, `QTASKS_CRASHPOINT`."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import pytest

from qtasks_testkit.faults.base import Faults, OpenFleet
from qtasks_testkit.faults.fleet import Fleet, until

WORKER = "from app import app; app.run_forever()"
"""One process without a supervisor: what it had is found by its lease alone."""

PRODUCER = "from app import app, nap; app.add_tasks([nap(number, 0.0) for number in range(5)])"

LEASE_S, TASKS = 1, 60

IN_FLIGHT = 20
"""What ten slots run, and as many tasks that have ended and whose outcomes wait for the flush that is under way."""


class CrashPoints(Faults):
    """Nothing is lost at any crash point, and only what was in flight is repeated."""

    worker_points: ClassVar[Sequence[str]] = ()
    """What a worker passes through when it starts, works, beats and ends."""

    producer_points: ClassVar[Sequence[str]] = ()
    """What a producer passes through when it adds tasks."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        for name in {"worker_point", "producer_point"}.intersection(metafunc.fixturenames):
            metafunc.parametrize(name, getattr(type(self), f"{name}s"))

    def test_worker_killed_at_a_crash_point_loses_nothing(
        self, fleet: Fleet, open_fleet: OpenFleet, worker_point: str
    ) -> None:
        tasks = fleet.add("nap", *((number, 0.1) for number in range(TASKS)))
        fleet.execute(WORKER, QTASKS_LEASE=str(LEASE_S), QTASKS_CRASHPOINT=worker_point)
        until(lambda: fleet.parent.poll() is not None or len(fleet.ledger("end")) == TASKS)
        if fleet.parent.poll() is None:  # the point is passed at the end of a worker
            fleet.signal(signal.SIGTERM)
        assert fleet.ended() == -signal.SIGKILL, f"no worker came by {worker_point}: {fleet.log}"

        rescue = open_fleet()
        rescue.execute(WORKER, QTASKS_LEASE=str(LEASE_S))
        rescue.settled(TASKS, LEASE_S + 20)

        rescue.all_done(*tasks)
        assert fleet.repeated <= IN_FLIGHT

    def test_producer_killed_at_a_crash_point_has_added_all_or_nothing(
        self, fleet: Fleet, open_fleet: OpenFleet, producer_point: str
    ) -> None:
        fleet.execute(PRODUCER, QTASKS_CRASHPOINT=producer_point)
        assert fleet.ended() == -signal.SIGKILL, f"no producer came by {producer_point}: {fleet.log}"

        rescue = open_fleet()
        behind = rescue.add("nap", (99, 0.0))
        rescue.execute(WORKER)
        rescue.all_done(*behind)
        rescue.signal(signal.SIGTERM)
        assert rescue.ended() == 0

        starts = Counter(number for number, _ in rescue.ledger("start"))
        assert starts in (Counter([99]), Counter([0, 1, 2, 3, 4, 99]))
