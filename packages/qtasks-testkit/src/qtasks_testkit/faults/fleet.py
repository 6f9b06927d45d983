"""`qtasks run` in a process group of its own, looked at from outside: a ledger, the queue, the processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from qtasks import QueueTasks, TaskStatus
from qtasks.message import Record

APP = Path(__file__).with_name("app.py").read_text(encoding="utf-8")
"""The application of every test, for a directory of its own."""


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
        url: where its queue is.
        name: of the application.
        log: the file for what it logs: each of two fleets side by side has its own.
        worker_url: how the workers reach the queue; None is the same way.
    """

    def __init__(
        self,
        url: str = "sqlite:///queue.db",
        name: str = "QueueTasks",
        *,
        log: str = "log",
        worker_url: str | None = None,
    ) -> None:
        self.write(APP)
        self.queue = QueueTasks(name, url)
        self._told = {"FLEET_NAME": name, "FLEET_URL": worker_url or url}

        @self.queue.task(queue="other")
        async def elsewhere(number: int) -> None:
            """For its queue; the one that runs is in the module."""

        self._parent: subprocess.Popen[bytes] | None = None
        self._log = Path(log)

    def write(self, app: str) -> None:
        """Write the application's module."""
        Path("app.py").write_text(app, encoding="utf-8")

    def add(self, task: str, *calls: tuple[Any, ...]) -> list[Any]:
        """Add calls of a task."""
        return [self.queue.add_task(task, *arguments) for arguments in calls]

    def run(self, *options: str, spec: str = "app:app", **settings: str) -> None:
        """Start it, with options and with settings for the environment."""
        self.execute("from qtasks.cli import main; main()", "-A", spec, "run", *options, **settings)

    def execute(self, program: str, *arguments: str, **settings: str) -> None:
        """Start a program of Python instead of `qtasks run`."""
        with self._log.open("w") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                env={**os.environ, **self._told, **settings},
                stderr=log,
                start_new_session=True,
            )

    @property
    def parent(self) -> subprocess.Popen[bytes]:
        """The process that was started."""
        assert self._parent is not None, "the fleet was not started"
        return self._parent

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(encoding="utf-8")

    @property
    def processes(self) -> list[int]:
        """The living of its processes."""
        ps = shutil.which("ps") or "ps"
        listed = subprocess.run([ps, "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
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

    @property
    def repeated(self) -> int:
        """How many tasks were started more often than once."""
        return sum(1 for starts in Counter(number for number, _ in self.ledger("start")).values() if starts > 1)

    def settled(self, count: int, within_s: float) -> None:
        """Wait until the ledger holds an end of each of the tasks 0 to `count` - 1."""

        def missing() -> set[int]:
            return set(range(count)) - {number for number, _ in self.ledger("end")}

        try:
            until(lambda: not missing(), within_s, "every task has ended once")
        except AssertionError as error:
            error.add_note(f"Without an end: {sorted(missing())}. The log of the workers:\n{self.log}")
            raise

    def record(self, uuid: UUID) -> Record:
        """What the queue knows of a task."""
        (record,) = self.records([uuid.hex])
        return record

    def records(self, ids: list[str]) -> list[Record]:
        """What the queue knows of tasks, each of which it must know."""
        found = self.queue.runtime.run_blocking(lambda link: link.storage.get_many(ids))
        records = [record for record in found if record is not None]
        assert len(records) == len(ids), f"the queue has lost {len(ids) - len(records)} of {len(ids)} tasks"
        return records

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
        if self._parent is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL, group=True)
            self._parent.wait()
        self.queue.close()
