"""What a worker costs when there is nothing to do, and how long it takes to start."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from qtasks_testkit.benchmarks.marks import Marks
from qtasks_testkit.benchmarks.scenarios import APP, BIN, environment, worker

IDLE_S = 10.0


def measure() -> Iterator[tuple[str, str]]:
    """Yield each row: what it says, and the figure."""
    with tempfile.TemporaryDirectory() as directory:
        marks = environment(Path(directory), BENCH_URL=f"sqlite:///{directory}/idle.db", BENCH_NAME="idle")
        yield "start to first task", f"{statistics.median(_start_s(marks) for _ in range(5)):.2f} s"
        with worker():
            time.sleep(3)
            parent = _find(os.getpid(), APP)
            child = _find(parent, "qtasks")
            before = _cpu_s(parent) + _cpu_s(child)
            time.sleep(IDLE_S)
            share = (_cpu_s(parent) + _cpu_s(child) - before) / IDLE_S
            yield "CPU, parent and worker process", f"{share:.2%} of a core"
            yield "PSS, worker process", f"{_pss_mib(child):.1f} MiB"
            yield "PSS, parent", f"{_pss_mib(parent):.1f} MiB"
    yield "import qtasks", f"{_import_ms():.0f} ms more than an empty interpreter"
    yield "qtasks --help", f"{_wall_ms([str(BIN / 'qtasks'), '--help']):.0f} ms in all"


def _start_s(marks: Marks) -> float:
    """From the start of the process to the body of a task that waits."""
    marks.reset()
    add = "from qtasks_testkit.benchmarks.side import noop; noop.add_task(1)"
    subprocess.run([sys.executable, "-c", add], check=True)
    before = time.perf_counter()
    with worker():
        while marks.read()[0] == 0:
            time.sleep(0.002)
    return marks.read()[1] - before


def _find(parent: int, word: str) -> int:
    """The child process of `parent` whose command line holds a word."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_text()
            except OSError:
                continue
            if ppid == parent and word in command:
                return int(entry.name)
    raise SystemExit(f"no process below {parent} with {word!r} in its command line")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _import_ms() -> float:
    bare = _wall_ms([sys.executable, "-c", "pass"])
    return _wall_ms([sys.executable, "-c", "import qtasks"]) - bare


def _wall_ms(command: list[str]) -> float:
    times = []
    for _ in range(7):
        before = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - before) * 1e3)
    return statistics.median(times)
