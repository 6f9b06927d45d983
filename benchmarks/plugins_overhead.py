"""What plugins cost that are installed and not used: the core alone beside all distributions, in one run.

    python benchmarks/plugins_overhead.py [--rounds 15] [--tasks 20000] [--limit 1.03]

Two environments are made below `build/overhead`: one with the wheel of the core, one with the wheels of all our
distributions and all their extras. Each sample is a process of its own that fills a queue with no-op tasks and drains
it by one worker; its figure is the processor time of the drain. A round is three samples: core, all, core. Its ratio is
that of `all` to the mean of the two beside it, so that whatever drifts falls out; the ratio of these two is the noise.
The exit code is 1 when a median ratio is above the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "overhead"

WORKLOADS = [("async def, memory", "async", "memory://"), ("def, memory", "def", "memory://")]
WORKLOADS += [("async def, sqlite", "async", "sqlite:///{directory}/queue.db")]

WARM_UP = 1000
STARTS = 15
BULK = 1000


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15, help="of which the median counts (default 15)")
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks in a drain (default 20,000)")
    parser.add_argument("--limit", type=float, default=1.03, help="the highest median ratio (default 1.03)")
    parser.add_argument("--sample", nargs=2, metavar=("KIND", "URL"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sample:
        kind, url = asked.sample
        print(json.dumps(sample(kind, url, asked.tasks)))
        return
    core, everything = environment("core", ["qtasks-core"]), environment("all", _distributions())
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores; {asked.rounds} rounds of {asked.tasks:,} tasks."
    )
    print(f"All plugins: {_plugins(everything)}\n")
    print("| no-op tasks | core alone | with all | ratio, quartiles | noise, quartiles |\n|---|---|---|---|---|")
    worst = max(row(label, core, everything, kind, url, asked) for label, kind, url in WORKLOADS)
    print("\n| start-up, wall time | core alone | with all |\n|---|---|---|")
    for label, command in (
        ("empty interpreter", lambda home: [home / "bin" / "python", "-c", ""]),
        ("import qtasks", lambda home: [home / "bin" / "python", "-c", "import qtasks"]),
        (
            "from qtasks import QueueTasks",
            lambda home: [home / "bin" / "python", "-c", "from qtasks import QueueTasks"],
        ),
        ("qtasks --help", lambda home: [home / "bin" / "qtasks", "--help"]),
    ):
        start_row(label, core, everything, command)
    sys.exit(worst > asked.limit)


def environment(name: str, requirements: list[str]) -> Path:
    """Make an environment with wheels of this working tree, and return its directory."""
    home, wheels = HOME / name, HOME / "wheels"
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip: list[str | Path] = [home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q"]
    if name == "core":
        shutil.rmtree(wheels, ignore_errors=True)
        packages = sorted((ROOT / "packages").glob("*/"))
        subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, *packages], check=True)
    subprocess.run([*pip, "install", "--find-links", wheels, *requirements], check=True)
    return home


def _distributions() -> list[str]:
    """All our distributions, each with all extras but those that name another distribution of ours."""
    wanted = []
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        own = [extra for extra, needed in extras.items() if not any(name.startswith("qtasks-") for name in needed)]
        # The core's faster event loop would be no plugin's doing.
        wanted.append(
            f"{project['name']}[{','.join(own)}]" if own and project["name"] != "qtasks-core" else project["name"]
        )
    return wanted


def _plugins(home: Path) -> str:
    tell = "from qtasks import QueueTasks; print(*(f'{p.name} ({p.state})' for p in QueueTasks(broker_url='memory://').plugins))"
    return subprocess.run(
        [home / "bin" / "python", "-c", tell], capture_output=True, text=True, check=True
    ).stdout.strip()


def row(label: str, core: Path, everything: Path, kind: str, url: str, asked: argparse.Namespace) -> float:
    """Measure one workload, print its row, and return the median ratio."""
    alone, together, ratios, noise = [], [], [], []
    for _ in range(asked.rounds):
        before, with_all, after = (_sample_of(home, kind, url, asked.tasks) for home in (core, everything, core))
        alone.append((before + after) / 2)
        together.append(with_all)
        ratios.append(with_all / alone[-1])
        noise.append(after / before)
    figures = [f"{statistics.median(many) / asked.tasks * 1e6:.1f} µs" for many in (alone, together)]
    print(f"| {label} | {figures[0]} | {figures[1]} | {_quartiles(ratios)} | {_quartiles(noise)} |", flush=True)
    return statistics.median(ratios)


def _quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _sample_of(home: Path, kind: str, url: str, tasks: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        where = url.format(directory=directory)
        command: list[str | Path] = [home / "bin" / "python", __file__, "--tasks", str(tasks), "--sample", kind, where]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=directory)
    seconds: float = json.loads(done.stdout)
    return seconds


def start_row(label: str, core: Path, everything: Path, command: Callable[[Path], list[str | Path]]) -> None:
    """Measure how long a command takes in both environments, in turns, and print the row."""
    took: dict[Path, list[float]] = {core: [], everything: []}
    for _ in range(STARTS):
        for home, many in took.items():
            before = time.perf_counter()
            subprocess.run(command(home), stdout=subprocess.DEVNULL, check=True)
            many.append(time.perf_counter() - before)
    figures = [f"{statistics.median(many) * 1e3:.0f} ms" for many in took.values()]
    print(f"| {label} | {figures[0]} | {figures[1]} |", flush=True)


def sample(kind: str, url: str, tasks: int) -> float:
    """In an environment: the processor time of one drain, seconds."""
    from qtasks.app.starter import Starter
    from qtasks.asyncio import QueueTasks

    logging.getLogger("qtasks").setLevel(logging.ERROR)
    app = QueueTasks("overhead", broker_url=url)

    async def noop(value: int) -> int:
        return value

    def noop_thread(value: int) -> int:
        return value

    task = app.task(noop if kind == "async" else noop_thread)

    async def drain(count: int) -> float:
        for start in range(0, count, BULK):
            await app.add_tasks([task(value) for value in range(start, min(start + BULK, count))])
        before = time.process_time()
        await Starter(app, burst=True).serve()
        return time.process_time() - before

    async def both() -> float:
        await drain(WARM_UP)
        return await drain(tasks)

    return asyncio.run(both())


if __name__ == "__main__":
    main()
