"""Servers that die and networks that fail, under workers with default settings; judged by the ledger of the tasks."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
from qtasks.errors import BackendError

from qtasks_testkit.faults.base import Faults, Figure, OpenFleet
from qtasks_testkit.faults.fleet import Fleet, until
from qtasks_testkit.faults.proxy import FaultProxy
from qtasks_testkit.servers import Server

IN_FLIGHT = 20
"""Two processes of ten slots."""

TASKS, NAP_S = 300, 0.02


class Outages(Faults):
    """What becomes of tasks when their server, or the way to it, is gone for a while."""

    resumes_within_s: ClassVar[float] = 5.5
    """How long after the server is back everything may be done."""

    notices_within_s: ClassVar[float] = 10.0
    """How long after its connections were lost without a word a worker may stand still."""

    @pytest.fixture
    def server(self) -> Server:
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `server`: a new one, that keeps its data when it is killed"
        )

    @pytest.fixture
    def fleet_url(self, server: Server) -> str:
        return server.url

    @pytest.fixture
    def proxy(self, server: Server) -> Iterator[FaultProxy]:
        """What the workers reach the server through."""
        with FaultProxy(server.url) as proxy:
            yield proxy

    @pytest.fixture
    def fleet(self, open_fleet: OpenFleet, proxy: FaultProxy) -> Fleet:
        return open_fleet(worker_url=proxy.url)

    def busy(self, fleet: Fleet, ended: int, tasks: int = TASKS) -> set[int]:
        """Keep two workers busy; wait until so many tasks have ended, and name the worker processes."""
        fleet.run("-p", "2")
        until(lambda: fleet.log.count("is ready") == 2)  # who cannot reach the server at the start is replaced
        fleet.add("nap", *((number, NAP_S) for number in range(tasks)))
        until(lambda: len(fleet.ledger("end")) >= ended)
        return set(fleet.children)

    def nothing_lost(self, fleet: Fleet, workers: set[int], within_s: float, tasks: int = TASKS) -> tuple[float, int]:
        """Wait for the end of every task; tell how long it took, and how many were repeated."""
        begun = time.monotonic()
        fleet.settled(tasks, within_s)
        took = time.monotonic() - begun
        assert set(fleet.children) == workers, f"worker processes were replaced: {fleet.log}"
        return took, fleet.repeated

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("down_s", [3.0])
    def test_server_killed_and_started_again_loses_nothing(
        self, fleet: Fleet, server: Server, chance: random.Random, figure: Figure, down_s: float
    ) -> None:
        workers = self.busy(fleet, chance.randint(20, 150))
        server.kill()
        time.sleep(down_s)  # the length of the outage is the fault
        server.start()
        took, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s)
        assert repeated <= IN_FLIGHT
        figure(
            f"server killed for {down_s:g} s: 0 lost, {repeated} repeated (at most {IN_FLIGHT}), workers alive, "
            f"all done {took:.1f} s after it was back (at most {self.resumes_within_s:g})"
        )

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("fault", ["reset", "refuse", "blackhole"])
    def test_connections_lost_in_mid_run_lose_nothing(
        self, fleet: Fleet, proxy: FaultProxy, chance: random.Random, figure: Figure, fault: str
    ) -> None:
        workers = self.busy(fleet, chance.randint(20, 150))
        getattr(proxy, fault)()
        if fault == "refuse":
            time.sleep(1.0)  # the length of the outage is the fault
        proxy.heal()
        limit = self.notices_within_s if fault == "blackhole" else self.resumes_within_s
        took, repeated = self.nothing_lost(fleet, workers, limit)
        assert repeated <= IN_FLIGHT
        figure(f"{fault}: 0 lost, {repeated} repeated (at most {IN_FLIGHT}), all done after {took:.1f} s")

    @pytest.mark.timeout(120)
    def test_lost_replies_lose_nothing(
        self, fleet: Fleet, proxy: FaultProxy, chance: random.Random, figure: Figure
    ) -> None:
        tasks, replies = 5 * TASKS, 3
        workers = self.busy(fleet, 20, tasks)
        for _ in range(replies):
            assert proxy.drop_reply(nth=chance.randint(1, 5)).wait(10), "the workers are idle"
        took, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s, tasks)
        assert repeated <= replies * IN_FLIGHT
        figure(f"{replies} lost replies: 0 lost, {repeated} repeated, all done {took:.1f} s after the last")

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("latency_s", [0.05, 0.5])
    def test_slow_network_loses_and_repeats_nothing(
        self, fleet: Fleet, proxy: FaultProxy, figure: Figure, latency_s: float
    ) -> None:
        workers = self.busy(fleet, 20)
        proxy.delay(latency_s)
        took, repeated = self.nothing_lost(fleet, workers, 60)
        assert repeated == 0
        figure(f"latency of {1000 * latency_s:g} ms each way: 0 lost, 0 repeated, all done after {took:.1f} s")

    @pytest.mark.parametrize("fault", ["refuse", "freeze", "blackhole"])
    def test_adding_while_the_server_is_away_is_a_typed_error_in_time(
        self, open_fleet: OpenFleet, proxy: FaultProxy, figure: Figure, fault: str
    ) -> None:
        producer = open_fleet(proxy.url)
        getattr(proxy, fault)()
        begun = time.monotonic()
        with pytest.raises(BackendError):
            producer.add("nap", (0, 0.0))
        took = time.monotonic() - begun
        proxy.heal()
        assert took < 6
        figure(f"enqueue while the server is away ({fault}): a typed error after {took:.1f} s")
