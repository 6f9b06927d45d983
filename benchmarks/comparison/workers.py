"""Workers as processes: start, stop, and what they cost, all below one session of processes."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STOP_S = 10.0
"""How long a worker may take to stop before it is killed."""


@contextlib.contextmanager
def running(command: str, concurrency: int, processes: int, log: str) -> Iterator[list[int]]:
    """Run so many worker processes and yield the ids of their sessions.

    Args:
        command: of the worker; `{concurrency}`, `{processes}` and `{redis}` are filled in. It is started once where it
            takes the number of processes, else once for each.
        concurrency: tasks at a time in each process; also in `BENCH_CONCURRENCY`.
        processes: how many.
        log: the file that their output is appended to.
    """
    filled = command.format(concurrency=concurrency, processes=processes, redis=os.environ["BENCH_REDIS"])
    program, *arguments = shlex.split(filled)
    script = Path(sys.executable).parent / program
    environment = os.environ | {"BENCH_CONCURRENCY": str(concurrency)}
    copies = 1 if "{processes}" in command else processes
    with Path(log).open("ab") as output:
        workers = [
            subprocess.Popen(
                [script, *arguments], env=environment, start_new_session=True, stdout=output, stderr=subprocess.STDOUT
            )
            for _ in range(copies)
        ]
    try:
        yield [worker.pid for worker in workers]
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(STOP_S)
            with contextlib.suppress(ProcessLookupError):  # children that outlived it
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def cpu_s(sessions: list[int]) -> dict[Path, float]:
    """Return the seconds of processor time of each process of these sessions, by its folder in /proc."""
    used = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            if entry.name.isdigit() and int((stat := _stat(entry))[3]) in sessions:
                used[entry] = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return used


def pss_mib(process: Path) -> float:
    """Return the memory of a process, what it shares divided by the number of sharers."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _stat(process: Path) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, group, session, ..."""
    return (process / "stat").read_text().rpartition(")")[2].split()
