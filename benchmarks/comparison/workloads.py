"""The workloads: each takes a bench and returns its figures, or None where the peer cannot do it.

Time is in the unit that the key of a figure names (`us`, `ms`, `s`); rates are tasks a second.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from comparison import redis_server
from comparison.faces import BULK, Awaiting, new_loop
from comparison.workers import cpu_s, pss_mib

if TYPE_CHECKING:
    from comparison.drive import Bench

Figures = dict[str, float] | None

TRIPS, WARM_UP = 300, 20
GATHERED, ROUNDS = 1000, 5
TURN = 100
"""So many tasks are added before it is the turn of the bare commands beside them."""

IDLE_S, SETTLE_S = 5.0, 2.0
RATE, DELAYS = 200, 600
BARE_S, FULL_S = 1.0, 3.0
"""How long bare loops are measured, and how long the tasks that do something last at the ideal rate."""


def drain(bench: Bench) -> Figures:
    """A full queue of no-op tasks, one worker process, at the concurrency at which the peer is fastest."""
    return bench.drain("noop", 0, concurrency=bench.fastest)


def drain_10(bench: Bench) -> Figures:
    """The same at concurrency 10."""
    return None if bench.serial else bench.drain("noop", 0, concurrency=10)


def drain_2(bench: Bench) -> Figures:
    """The same with two worker processes."""
    return bench.drain("noop", 0, concurrency=bench.fastest, processes=2)


def wait_10(bench: Bench) -> Figures:
    """Tasks of 10 ms each that wait, at concurrency 100: the share of what 100 bare coroutines reach."""
    return _waits(bench, 10)


def wait_100(bench: Bench) -> Figures:
    """Tasks of 100 ms each that wait, at concurrency 100: the share of what 100 bare coroutines reach."""
    return _waits(bench, 100)


def cpu(bench: Bench) -> Figures:
    """Tasks of about a millisecond of bytecode on two processes: the share of what two bare loops do."""
    before = _bare_rate()
    figures = bench.drain("spin", 0, concurrency=bench.fastest, processes=2, limit=int(before * FULL_S))
    ideal = (before + _bare_rate()) / 2  # the machine may have other work
    return {**figures, "ideal_per_s": ideal, "share": figures["per_s"] / ideal}


def enqueue(bench: Bench) -> Figures:
    """Add no-op tasks one by one: blocking where the peer can, else awaited."""
    count = min(bench.tasks, 2000)

    async def one_by_one() -> float:
        before = time.perf_counter()
        for value in range(TURN):
            await bench.face.add("noop", value)
        return (time.perf_counter() - before) / TURN * 1e6

    def bare(name: str) -> float:
        call = getattr(bench.peer, name)
        before = time.perf_counter()
        for value in range(TURN):
            call("noop", value)
        return (time.perf_counter() - before) / TURN * 1e6

    bares = [name for name in ("add_bare", "push_bare") if hasattr(bench.peer, name)]
    times: dict[str, list[float]] = {}
    for _ in range(max(count // TURN, 3)):  # in turns, because the machine is not the same from second to second
        times.setdefault("us", []).append(bench.face.run(one_by_one()))
        for name in bares:
            times.setdefault(f"{name}_us", []).append(bare(name))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def bulk(bench: Bench) -> Figures:
    """Add no-op tasks, 1,000 a call."""
    if not bench.face.has_bulk:
        return None
    batches = max(bench.tasks // BULK, 3)

    async def in_bulk() -> float:
        await bench.face.add_many("noop", list(range(BULK)))
        before = time.perf_counter()
        for number in range(batches):
            await bench.face.add_many("noop", list(range(number * BULK, (number + 1) * BULK)))
        return time.perf_counter() - before

    return {"us": bench.face.run(in_bulk()) / (batches * BULK) * 1e6}


def gathered(bench: Bench) -> Figures:
    """Add 1,000 tasks by as many concurrent awaits on one event loop."""
    if not hasattr(bench.peer, "add_async"):
        return None
    face = bench.face if isinstance(bench.face, Awaiting) else Awaiting(bench.peer)

    async def together() -> float:
        before = time.perf_counter()
        await asyncio.gather(*(face.add("noop", value) for value in range(GATHERED)))
        return time.perf_counter() - before

    times = [face.run(together()) for _ in range(ROUNDS + 1)]
    return {"us": statistics.median(times[1:]) / GATHERED * 1e6}


def round_trip(bench: Bench) -> Figures:
    """Add one task to an idle worker and wait for its result."""
    if not bench.face.can_wait:
        return None

    async def trips() -> list[float]:
        times = []
        for value in range(WARM_UP + TRIPS):
            before = time.perf_counter()
            answer = await bench.face.trip(value)
            times.append((time.perf_counter() - before) * 1e3)
            if answer != value:
                raise ValueError(f"the result of noop({value}) is {answer!r}, where its argument was expected")
            _pause(0.002)  # the worker is idle again
        return times[WARM_UP:]

    with bench.worker(concurrency=10):
        shares = statistics.quantiles(bench.face.run(trips()), n=100)
    return {"p50_ms": shares[49], "p95_ms": shares[94], "p99_ms": shares[98]}


def delay(bench: Bench) -> Figures:
    """From adding to the body of a task, at 200 tasks a second."""

    async def paced() -> list[float]:
        sent, start = [], time.perf_counter()
        for value in range(DELAYS):
            while (left := start + value / RATE - time.perf_counter()) > 0:
                _pause(left)
            sent.append(time.perf_counter())
            await bench.face.add("noop", value)
        return sent

    with bench.worker(concurrency=10):
        bench.face.run(bench.face.add("noop", 0))
        bench.wait_for(1)
        sent = bench.face.run(paced())
        bench.wait_for(1 + DELAYS)
    started = sorted(stamp for stamps in bench.stamps() for stamp in stamps)[1:]
    delays = [(ran - added) * 1e3 for added, ran in zip(sent, started, strict=True)]
    shares = statistics.quantiles(delays, n=100)
    return {"p50_ms": shares[49], "p95_ms": shares[94], "p99_ms": shares[98]}


def start(bench: Bench) -> Figures:
    """From the start of the worker's process to the body of a task that waits: the median of three."""
    times = []
    for number in range(3):
        bench.face.run(bench.face.add("noop", number))
        before = time.perf_counter()
        with bench.worker(concurrency=10):
            bench.wait_for(number + 1)
        times.append(max(stamps[-1] for stamps in bench.stamps()) - before)
    return {"s": statistics.median(times)}


def idle(bench: Bench) -> Figures:
    """What one worker process costs when there is nothing to do, with its parents where it has any."""
    bench.face.run(bench.face.add("noop", 0))
    with bench.worker(concurrency=10) as sessions:
        bench.wait_for(1)
        time.sleep(SETTLE_S)
        before = cpu_s(sessions)
        sent, called = redis_server.count(bench.redis, IDLE_S)
        after = cpu_s(sessions)
        memory = [pss_mib(process) for process in after]
    used = sum(seconds - before.get(process, 0) for process, seconds in after.items())
    return {
        "cpu_percent": used / IDLE_S * 100,
        "commands_per_s": sent / IDLE_S,
        "script_commands_per_s": called / IDLE_S,
        "processes": len(memory),
        "largest_pss_mib": max(memory),
        "pss_mib": sum(memory),
    }


def _pause(seconds: float) -> None:
    """Sleep, on an event loop too: a workload awaits nothing but its face."""
    time.sleep(seconds)


def _waits(bench: Bench, duration_ms: int) -> Figures:
    if bench.serial:
        return None
    nominal = 100 / (duration_ms / 1000)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        before = runner.run(_bare_waits(duration_ms))
        figures = bench.drain("wait", duration_ms, concurrency=100, limit=int(nominal * FULL_S))
        ideal = (before + runner.run(_bare_waits(duration_ms))) / 2
    return {**figures, "share": figures["per_s"] / ideal, "bare_share": ideal / nominal}


async def _bare_waits(duration_ms: int) -> float:
    """How many waits a second 100 coroutines reach that do nothing else: timers are late, too."""
    begin = time.perf_counter()

    async def slot() -> int:
        waits = 0
        while time.perf_counter() < begin + BARE_S:
            await asyncio.sleep(duration_ms / 1000)
            waits += 1
        return waits

    return sum(await asyncio.gather(*(slot() for _ in range(100)))) / (time.perf_counter() - begin)


def _bare_rate() -> float:
    """How often two processes spin in a second, side by side, in this interpreter."""
    times = 1000
    command = [sys.executable, "-m", "comparison.bodies", str(times)]
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_MARKS"}
    loops = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(times / float(loop.communicate()[0]) for loop in loops)


WORKLOADS: dict[str, Callable[[Bench], Figures]] = {
    "drain": drain,
    "drain-10": drain_10,
    "drain-2": drain_2,
    "enqueue": enqueue,
    "bulk": bulk,
    "gathered": gathered,
    "round-trip": round_trip,
    "delay": delay,
    "wait-10": wait_10,
    "wait-100": wait_100,
    "cpu": cpu,
    "start": start,
    "idle": idle,
}
"""In the order in which they run and stand in the tables."""

ONCE = {"gathered", "start", "idle"}
"""These repeat by themselves, or vary little: the first round is enough."""
