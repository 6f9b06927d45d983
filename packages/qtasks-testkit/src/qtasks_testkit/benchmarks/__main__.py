"""The benchmarks of one backend, on this machine.

python -m qtasks_testkit.benchmarks URL [--tasks 20000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from importlib.metadata import version
from pathlib import Path

from qtasks_testkit.benchmarks.scenarios import ROWS, measure


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m qtasks_testkit.benchmarks")
    parser.add_argument("url", help="where the backend is; an application of its own is used there")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks in a drain (default 20,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default 3)")
    asked = parser.parse_args()
    rounds = []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as directory:
            rounds.append(measure(asked.url, Path(directory), asked.tasks))
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores; qtasks-core {version('qtasks-core')}; median of "
        f"{asked.rounds} rounds; {asked.tasks:,} tasks a drain, results stored.\n"
    )
    print("| workload | figure |\n|---|---|")
    for key, (label, unit) in ROWS.items():
        print(f"| {label} | {statistics.median(figures[key] for figures in rounds):.2f} {unit} |")


if __name__ == "__main__":
    main()
