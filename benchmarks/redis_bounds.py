"""What grows on Redis, and what must not: cost per task, memory of the worker, keys that are left.

    python benchmarks/redis_bounds.py [--few 10000] [--many 1000000] [--rounds 3]

A worker drains a short queue and a long one, in turn, on an empty server of their own: the cost per task is the median
of the rounds. The memory of the worker is looked at after a tenth of the long queue and at its end. Then the
results end, and the keys that are left are listed. Exits with 1 when a bound is broken. 1,000,000 tasks take about
1.5 GB of memory in the server, and two minutes a round.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import redis
from qtasks import QueueTasks
from qtasks_testkit.benchmarks.marks import Marks
from qtasks_testkit.benchmarks.scenarios import BULK, environment, worker
from qtasks_testkit.servers import RedisServer

RESULT_TTL_S = 20
COST, MEMORY = 1.15, 1.10
"""How much more a task of the long queue may cost, and a worker may take at its end."""

ENDED = 10_000
"""How many ids the list of ended tasks may hold."""


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--few", type=int, default=10_000, help="tasks of the short queue (default 10,000)")
    parser.add_argument("--many", type=int, default=1_000_000, help="tasks of the long queue (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is drained (default 3)")
    asked = parser.parse_args()
    costs: dict[int, list[float]] = {asked.few: [], asked.many: []}
    grown = []
    with tempfile.TemporaryDirectory() as directory, RedisServer(Path(directory)) as server:
        marks = environment(Path(directory), BENCH_URL=server.url, QTASKS_RESULT_TTL=str(RESULT_TTL_S))
        for number in range(asked.rounds):
            for count, measured in costs.items():
                cost, early, late = drained(server.url, f"bounds.{number}.{count}", marks, count)
                measured.append(cost)
                grown.append(late / early if count == asked.many else 1.0)
                memory = f"{early / 2**20:.1f} MiB after a tenth, {late / 2**20:.1f} MiB at the end"
                print(f"{count:>9,} tasks: {cost:.1f} us a task; worker: {memory}")
        print(f"waiting {RESULT_TTL_S} s for the end of the results")
        time.sleep(RESULT_TTL_S + 2)
        left = keys(server.url)
    few, many = (statistics.median(costs[count]) for count in costs)
    for name in sorted({key.partition("}:")[2] for key in left}):
        print(f"{max(size for key, size in left.items() if key.endswith(f'}}:{name}')):>9,} in {name}")
    verdicts = {
        f"cost of a task: {many / few:.2f} times (at most {COST})": many <= few * COST,
        f"memory of the worker: {max(grown):.2f} times (at most {MEMORY})": max(grown) <= MEMORY,
        f"{len(left)} keys are left, none holds a task": not any(":task:" in key for key in left),
        "no key outside qtasks:": all(key.startswith("qtasks:") for key in left),
        f"no list above {ENDED:,}": max(left.values()) <= ENDED,
    }
    for verdict, holds in verdicts.items():
        print("ok  " if holds else "FAIL", verdict)
    sys.exit(not all(verdicts.values()))


def drained(url: str, name: str, marks: Marks, count: int) -> tuple[float, int, int]:
    """Fill a queue and drain it: microseconds a task, and the memory of the worker after a tenth and at the end."""
    os.environ["BENCH_NAME"] = name
    with contextlib.closing(QueueTasks(name, url)) as app:

        @app.task
        async def noop(value: int) -> int:
            raise NotImplementedError("it runs in the worker")

        for start in range(0, count, BULK):
            app.add_tasks([noop(value) for value in range(start, min(start + BULK, count))])
    marks.reset()
    with worker(10):
        wait(marks, count // 10)
        early = rss_bytes()
        wait(marks, count)
        late = rss_bytes()
    _, first, last = marks.read()
    return (last - first) / (count - 1) * 1e6, early, late


def wait(marks: Marks, count: int) -> None:
    """Wait until so many tasks have run."""
    deadline = time.monotonic() + 60 + count / 1000
    while (done := marks.read()[0]) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {done:,} of {count:,} tasks ran in time")
        time.sleep(0.02)


def rss_bytes() -> int:
    """The resident memory of the worker process: the child of the supervisor, which is our child."""
    [supervisor] = children(os.getpid())
    [child] = children(supervisor)
    return int(Path(f"/proc/{child}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """The child processes that run Python."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed if b"qtasks" in Path(f"/proc/{child}/cmdline").read_bytes()]


def keys(url: str) -> dict[str, int]:
    """Every key of the server, and how many things it holds."""
    sizes = {b"zset": "zcard", b"hash": "hlen", b"list": "llen", b"set": "scard"}
    with redis.Redis.from_url(url) as server:
        return {
            key.decode(): getattr(server, sizes[kind])(key) if (kind := server.type(key)) in sizes else 1
            for key in server.scan_iter(count=1000)
        }


if __name__ == "__main__":
    main()
