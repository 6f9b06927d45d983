"""Where the microseconds of one drained task go: samples of one worker on a full queue, by module.

    python benchmarks/profile_drain.py [--tasks 100000] [--url redis://localhost:6379/0]

A timer of processor time interrupts the worker every millisecond; a sample belongs to the innermost module
of QTasks on the stack, with whatever it calls outside (SQLite, msgspec, asyncio). What a server does meanwhile, and
waiting for it, takes no processor time here and has a line of its own. Sampling changes the
speed by a few percent only, unlike a tracing profiler.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

import qtasks
from qtasks.app.starter import Starter
from qtasks.asyncio import QueueTasks

STEP_S = 0.001
OURS = str(Path(qtasks.__file__).parent) + os.sep
BACKENDS = os.sep + "qtasks_"
"""What the paths of other distributions of ours have in common."""

samples: Counter[str] = Counter()


def sample(_number: int, frame: FrameType | None) -> None:
    """Count one sample."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            samples[name.removeprefix(OURS).removesuffix(".py")] += 1
            return
        if BACKENDS in name:
            samples["qtasks_" + name.rpartition(BACKENDS)[2].removesuffix(".py")] += 1
            return
        frame = frame.f_back
    samples["asyncio and the rest"] += 1


async def noop(value: int) -> int:
    """Answer at once."""
    return value


async def drain(url: str, count: int) -> tuple[float, float]:
    """Fill the queue and drain it under the sampler; tells the seconds it took, and those of processor time."""
    app = QueueTasks(broker_url=url)
    task = app.task(noop)
    for start in range(0, count, 1000):
        await app.add_tasks([task(value) for value in range(start, min(start + 1000, count))])
    starter = Starter(app, burst=True)
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, STEP_S, STEP_S)
    begun, busy = time.perf_counter(), time.process_time()
    await starter.serve()
    took, busy = time.perf_counter() - begun, time.process_time() - busy
    signal.setitimer(signal.ITIMER_PROF, 0)
    return took, busy


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks to drain (default 100,000)")
    parser.add_argument("--url", help="of an empty queue (default: an SQLite file of its own)")
    asked = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as directory:
        took, busy = asyncio.run(drain(asked.url or f"sqlite:///{directory}/profile.db", asked.tasks))
    per_task = busy / asked.tasks * 1e6
    total = sum(samples.values())
    print(f"{asked.tasks:,} tasks, {took / asked.tasks * 1e6:.1f} us a task, {total:,} samples\n")
    print("| where | us a task | share |\n|---|---|---|")
    for module, count in samples.most_common():
        if count / total >= 0.01:
            print(f"| `{module}` | {per_task * count / total:.1f} | {count / total:.0%} |")
    print(f"| waiting | {(took - busy) / asked.tasks * 1e6:.1f} | |")


if __name__ == "__main__":
    main()
