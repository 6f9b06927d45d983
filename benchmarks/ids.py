"""Publishing with random ids and with ids in the order of time (`docs/explanation/decisions/0003-ids.md`).

    python benchmarks/ids.py [--tasks 50000] [--open 0]

With a million open tasks it takes two and a half minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.codec import encode_message
from qtasks.message import WIRE_VERSION, Envelope, TaskMessage, new_id
from qtasks.ports import BackendContext
from qtasks.runtime import drive

BATCH, ROUNDS = 1000, 3


def publish(make_id: Callable[[], str], count: int, waiting: int) -> float:
    """Microseconds a task, with so many open tasks there already; encoding left out."""
    with tempfile.TemporaryDirectory() as directory:
        broker = SqliteBroker.from_url(f"sqlite:///{directory}/ids.db", BackendContext()).blocking()
        drive(broker.open())
        took = 0.0
        for start in range(0, waiting + count, BATCH):
            batch = [envelope(make_id()) for _ in range(BATCH)]
            before = time.perf_counter()
            drive(broker.publish(batch))
            took += time.perf_counter() - before if start >= waiting else 0.0
        drive(broker.close())
    return took / count * 1e6


def envelope(task_id: str) -> Envelope:
    """A small task."""
    return encode_message(TaskMessage(WIRE_VERSION, task_id, "QueueTasks", "default", "noop", [1], enqueued=1))


def main() -> None:
    """Measure and print both, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=50_000, help="tasks to publish (default 50,000)")
    parser.add_argument("--open", type=int, default=0, help="open tasks that are there before (default 0)")
    asked = parser.parse_args()
    kinds = {"random": lambda: os.urandom(16).hex(), "in the order of time": new_id}
    for name, make_id in kinds.items():
        figure = statistics.median(publish(make_id, asked.tasks, asked.open) for _ in range(ROUNDS))
        print(f"{name}: {figure:.1f} us a task")


if __name__ == "__main__":
    main()
