"""The SQLite rows and the idle-worker row of the targets: QTasks and huey, side by side, in one run.

    python benchmarks/run.py sqlite [--tasks 20000] [--rounds 3]

Every figure is the median of the rounds, in which the two take turns. Absolute figures drift from machine
to machine and from hour to hour; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import idle
import scenarios
from qtasks_testkit.benchmarks.scenarios import ROWS, measure

SAME_AS = dict.fromkeys(("drain_async", "drain_async_100", "drain_sync"), "drain") | dict.fromkeys(
    ("bulk", "concurrent"), "enqueue"
)
"""huey has one way to drain and no bulk: the figure it is compared by."""


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("backend", choices=["sqlite"])
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks in a drain (default 20,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default 3)")
    asked = parser.parse_args()
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for number in range(asked.rounds):
        print(f"round {number + 1} of {asked.rounds}...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as directory:
            theirs.append(scenarios.measure_huey(Path(directory), asked.tasks))
        with tempfile.TemporaryDirectory() as directory:
            ours.append(measure(f"sqlite:///{directory}/qtasks.db", Path(directory), asked.tasks))
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores; "
        f"qtasks-core {version('qtasks-core')}, huey {version('huey')} "
        "(SqliteHuey, one worker thread, 1 ms polling, WAL, fsync=False, 64 MB of cache); median of "
        f"{asked.rounds} rounds; {asked.tasks:,} tasks a drain, results stored.\n"
    )
    print("| workload | qtasks | huey | ratio |\n|---|---|---|---|")
    for key, (label, unit) in ROWS.items():
        mine = statistics.median(figures[key] for figures in ours)
        peer = statistics.median(figures[SAME_AS.get(key, key)] for figures in theirs)
        print(f"| {label} | {mine:.2f} {unit} | {peer:.2f} {unit} | {peer / mine:.1f}x |")
    print("\n| one idle worker, and start-up | figure |\n|---|---|")
    for label, figure in idle.measure():
        print(f"| {label} | {figure} |")


if __name__ == "__main__":
    main()
