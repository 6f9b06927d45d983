"""One worker process as its supervisor sees it, from its start to its end."""

from __future__ import annotations

import contextlib
import math
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence

import msgspec

from qtasks.supervisor.lifeline import Notice, shared_cell
from qtasks.supervisor.signals import STOP_SIGNALS
from qtasks.worker.lease import CELL_BYTES


class WorkerProcess:
    """A worker process.

    Args:
        command: the command; the numbers of the descriptors of its lifeline and its cell are appended.

    Raises:
        OSError: it cannot be started.

    Attributes:
        started: when it was started, `time.monotonic`.
        cell: the memory it shares with the supervisor.
        owner: its incarnation; empty until it has joined.
        number: of the incarnation.
        retiring: it takes no more tasks.
        done: it has handed back everything.
        error: the reason it gave for not going on.
        kill_at: when it must have ended, `time.monotonic`.
        still: for how many looks in a row its event loop had made no step.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.started = time.monotonic()
        self.owner = ""
        self.number = 0
        self.retiring = False
        self.done = False
        self.error = ""
        self.kill_at = math.inf
        self.still = 0
        self._steps = 0
        self._cause = ""
        self._dismissed = False
        self._unread = b""
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        with theirs, tempfile.TemporaryFile() as memory:
            memory.truncate(CELL_BYTES)
            self.cell = shared_cell(memory.fileno())
            descriptors = theirs.fileno(), memory.fileno()
            # Blocked, so that none can end it before it has come to ignoring or handling them itself.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                self._popen = subprocess.Popen(  # noqa: S603 - our own command
                    [*command, *map(str, descriptors)], stdin=subprocess.DEVNULL, pass_fds=descriptors
                )
            except OSError:
                self.line.close()
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.pid = self._popen.pid

    def read(self) -> bool:
        """Take in what it has told meanwhile; False when nothing more can come."""
        try:
            data = self.line.recv(65_536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._take_in(msgspec.json.decode(line, type=Notice))
        return bool(data)

    def _take_in(self, notice: Notice) -> None:
        if notice.owner:
            self.owner, self.number = notice.owner, notice.number
        self.retiring |= notice.retiring
        self.done |= notice.done
        self.error = notice.error or self.error

    def look(self) -> None:
        """Count the looks since the event loop made its last step; one that has not begun counts as stepping."""
        steps = self.cell.steps
        self.still = self.still + 1 if steps and steps == self._steps else 0
        self._steps = steps

    def drain(self, within_s: float) -> None:
        """Have it finish what runs; it is killed when it has not ended in time, seconds."""
        self._popen.terminate()
        self.kill_at = time.monotonic() + within_s

    def hurry(self, within_s: float) -> None:
        """Have it hand back what runs, uncounted; it is killed when it has not ended in time, seconds."""
        self._dismissed = True
        with contextlib.suppress(OSError):  # it has just ended
            self.line.shutdown(socket.SHUT_WR)
        self.kill_at = time.monotonic() + within_s

    def dismiss(self) -> None:
        """Kill it because its time is over: a death that counts for nothing."""
        self._dismissed = True
        self.kill_at = math.inf
        self._popen.kill()

    def kill(self, cause: str) -> None:
        """Kill it for a fault of its own: a crash."""
        self._cause = cause
        self._popen.kill()

    def ended(self) -> bool:
        """True when the process is no more."""
        return self._popen.poll() is not None

    @property
    def fate(self) -> str:
        """How it ended."""
        status = self._popen.returncode
        if self._cause:
            return self._cause
        return f"exited with status {status}" if status >= 0 else f"killed by signal {-status} ({_name(-status)})"

    @property
    def death(self) -> str | None:
        """The note for the tasks that it had in hand; None when its end counts for nothing."""
        return None if self.done or self._dismissed else f"{self.fate}, pid {self.pid}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
