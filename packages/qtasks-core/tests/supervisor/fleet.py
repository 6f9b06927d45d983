"""`qtasks run` in a process group of its own, looked at from outside: a ledger, the queue, the processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtasks import QueueTasks, TaskStatus
from qtasks.message import Record

APP = """
import asyncio
import logging
import os
import time

from qtasks import QueueTasks

app = QueueTasks(broker_url="sqlite:///queue.db")


def note(*words):
    with open("ledger", "a") as ledger:
        ledger.write(" ".join(map(str, words)) + "\\n")


@app.task
async def nap(number: int, seconds: float) -> int:
    note("start", number, os.getpid())
    await asyncio.sleep(seconds)
    note("end", number, os.getpid())
    return os.getpid()


@app.task
def block(number: int, seconds: float) -> int:
    note("start", number, os.getpid())
    time.sleep(seconds)
    note("end", number, os.getpid())
    return os.getpid()


@app.task
async def block_the_loop(number: int, seconds: float) -> int:
    return block.definition.function(number, seconds)


@app.task(queue="other")
async def elsewhere(number: int) -> None:
    logging.getLogger("mine").info("working", extra={"number": number})


@app.task
def leave(status: int) -> None:
    os._exit(status)


@app.task
def hog(number: int, mebibytes: int) -> int:
    global hoard
    hoard = bytes(range(256)) * (mebibytes << 12)
    return os.getpid()
"""
"""The application of every test, in its own directory."""


def until(true: Callable[[], Any], within_s: float = 20.0, what: str = "") -> Any:
    """Wait for something to become true and return it; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what or true}"
        time.sleep(0.005)
    return found


class Fleet:
    """An application in the working directory, its queue, and one `qtasks run` with its worker processes.

    Args:
        log: the file for what it logs: each of two fleets side by side has its own.
    """

    def __init__(self, log: str = "log") -> None:
        self.write(APP)
        self.queue = QueueTasks(broker_url="sqlite:///queue.db")

        @self.queue.task(queue="other")
        async def elsewhere(number: int) -> None:
            """For its queue; the one that runs is in the module."""

        self.parent: subprocess.Popen[bytes] | None = None
        self._log = Path(log)

    def write(self, app: str) -> None:
        """Write the application's module."""
        Path("app.py").write_text(app)

    def add(self, task: str, *calls: tuple[Any, ...]) -> list[Any]:
        """Add calls of a task."""
        return [self.queue.add_task(task, *arguments) for arguments in calls]

    def run(self, *options: str, spec: str = "app:app", **settings: str) -> None:
        """Start it, with options and with settings for the environment."""
        with self._log.open("w") as log:
            self.parent = subprocess.Popen(
                [sys.executable, "-c", "from qtasks.cli import main; main()", "-A", spec, "run", *options],
                env={**os.environ, **settings},
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    @property
    def processes(self) -> list[int]:
        """The living of its processes."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for pid, group, state in rows if int(group) == self.parent.pid and "Z" not in state]

    @property
    def children(self) -> list[int]:
        """The worker processes."""
        return [pid for pid in self.processes if pid != self.parent.pid]

    def ledger(self, word: str) -> list[tuple[int, int]]:
        """The tasks that have written this word: number and process of each, in order."""
        path = Path("ledger")
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(int(number), int(pid)) for said, number, pid in lines if said == word]

    def started(self, count: int) -> list[tuple[int, int]]:
        """Wait until so many tasks have started."""
        until(lambda: len(self.ledger("start")) >= count or self.parent.poll() is not None)
        assert self.parent.poll() is None, self.log
        return self.ledger("start")

    def record(self, uuid: Any) -> Record:
        """What the queue knows of a task."""
        (record,) = self.queue.runtime.run_blocking(lambda link: link.storage.get_many([uuid.hex]))
        return record

    def worker_names(self) -> list[str]:
        """The names of the workers that have reported."""
        workers = self.queue.runtime.run_blocking(lambda link: link.storage.workers())
        return sorted(worker.name for worker in workers)

    def all_done(self, *tasks: Any) -> None:
        """Wait until all tasks have ended in success."""
        for task in tasks:
            ended = task.wait_result(timeout=20)
            assert ended is not None, self.log
            assert ended.status is TaskStatus.SUCCESS, self.log

    def signal(self, number: int, *, group: bool = False) -> None:
        """Signal the parent, or the whole group as a terminal does, or a service manager."""
        (os.killpg if group else os.kill)(self.parent.pid, number)

    def ended(self, within_s: float = 20.0) -> int:
        """Wait for its end and return the exit status."""
        return self.parent.wait(within_s)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.parent is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL, group=True)
            self.parent.wait()
        self.queue.close()
