"""`Supervisor`: keeps worker processes running, replaces those that die, and passes on that it is time to stop.

One thread waits for signals, notices and moments, and never for the broker: that is what `leases.py` is for.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import attrs

from qtasks.runtime import Runtime
from qtasks.supervisor.leases import Leases
from qtasks.supervisor.process import WorkerProcess
from qtasks.supervisor.signals import STOP_SIGNALS, handled
from qtasks.worker.lease import BEATS_PER_LEASE

MARGIN_S = 3.0
"""How much longer than the grace a draining process may live: it has to write its last results."""

AT_ONCE_S = 1.5
"""How long a process may live after the second signal."""

SAME_S = 0.1
"""A signal so soon after another is the same one: timeout(1) signals its child, and then its whole group."""

STARTS = 3
"""So many failed starts of a place in a row, before any worker came up, and the supervisor gives up."""

QUICK_S = 5.0
"""A process that ends sooner after its start is replaced after a pause that doubles each time."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0

STALL_WARNING_S = 5.0
"""An event loop that made no step for so long is worth a warning."""

log = logging.getLogger("qtasks.supervisor")


@attrs.define(eq=False)
class Seat:
    """A place in the pool, for one worker process after the other.

    Args:
        number: from 1.
        process: who has it now; one that retires has left it already.
        start_at: when the next process may be started, `time.monotonic`.
        failures: how many of its processes in a row ended soon after their start.
        over: True when its burst is over: nobody comes after.
    """

    number: int
    process: WorkerProcess | None = None
    start_at: float = 0.0
    failures: int = 0
    over: bool = False


class Supervisor:
    """Runs worker processes until it is told to stop.

    SIGTERM, SIGINT and SIGHUP drain them; a second one ends them at once, with hand-back.

    Args:
        runtime: the application's parts; the connections are open.
        command: gives the command that starts the worker process of a place, 1 to `processes`.
        processes: how many.
        burst: True ends when every worker process has found its queues empty.
        typed: makes a command line of the words of a command, for those that the log names.
    """

    def __init__(
        self,
        runtime: Runtime,
        command: Callable[[int], Sequence[str]],
        *,
        processes: int = 1,
        burst: bool = False,
        typed: Callable[[str], str] = "qtasks {}".format,
    ) -> None:
        config = runtime.config
        self._command = command
        self._burst = burst
        self._grace_s = config.grace
        self._stall_limit_s = config.stall_limit
        self._look_s = min(config.lease / BEATS_PER_LEASE, STALL_WARNING_S, config.stall_limit / 4 or STALL_WARNING_S)
        self._next_look = time.monotonic() + self._look_s
        self._close_s = 2 * config.call_timeout + 1
        self._seats = {number: Seat(number) for number in range(1, processes + 1)}
        self._processes: dict[WorkerProcess, Seat] = {}
        self._leases = Leases(runtime, typed)
        self._signals_heard = 0
        self._last_heard = 0.0
        self._came_up = False
        self._gave_up = False

    def run(self) -> int:
        """Supervise. Call it in the main thread.

        Returns:
            the exit status: 0 when everything in hand was finished or handed back; 1 when no worker could
            be started, or tasks have to wait until a lease ends by itself.
        """
        with selectors.DefaultSelector() as self._selector, _heard_signals() as signals:
            self._selector.register(signals, selectors.EVENT_READ, partial(self._hear_signals, signals))
            self._leases.start()
            while self._processes or not (self._stopping or all(seat.over for seat in self._seats.values())):
                self._fill()
                for key, _ in self._selector.select(self._pause_s()):
                    key.data()
                self._look_after()
                for process in [process for process in self._processes if process.ended()]:
                    self._bury(process)
        handed_back = self._leases.close(self._close_s)
        return 0 if handed_back and not self._gave_up else 1

    @property
    def _stopping(self) -> bool:
        return self._signals_heard > 0 or self._gave_up

    def _pause_s(self) -> float:
        moments = [self._next_look, *(process.kill_at for process in self._processes)]
        if not self._stopping:
            moments += [seat.start_at for seat in self._vacant()]
        return max(0.0, min(moments) - time.monotonic())

    # Starting.

    def _vacant(self) -> list[Seat]:
        return [seat for seat in self._seats.values() if seat.process is None and not seat.over]

    def _fill(self) -> None:
        """Start a process for every place whose time has come."""
        for seat in self._vacant():
            if self._stopping or seat.start_at > time.monotonic():
                continue
            try:
                process = WorkerProcess(self._command(seat.number))
            except OSError as error:
                log.error("A worker process could not be started: %s", error)  # noqa: TRY400 - the text says it all
                self._failed(seat, str(error), never_up=True)
                continue
            seat.process = process
            self._processes[process] = seat
            self._selector.register(process.line, selectors.EVENT_READ, partial(self._hear, process))
            log.debug("Started worker process %d.", process.pid)

    def _failed(self, seat: Seat, why: str, *, never_up: bool) -> None:
        """Have the next process of a place wait, or give up."""
        seat.failures += 1
        seat.start_at = time.monotonic() + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (seat.failures - 1))
        if never_up and not self._came_up and seat.failures >= STARTS and not self._stopping:
            log.critical("Giving up: %d worker processes in a row could not start. The last one: %s", STARTS, why)
            self._gave_up = True
            self._drain()

    # Hearing.

    def _hear(self, process: WorkerProcess) -> None:
        owner = process.owner
        if not process.read():
            self._selector.unregister(process.line)
        if process.owner != owner:
            self._came_up = True
            self._leases.hold(process.cell, process.owner, process.number)
        seat = self._processes[process]
        if process.retiring and seat.process is process:
            seat.process = None  # the next one starts while this one finishes what it has
            seat.failures = 0

    def _hear_signals(self, signals: socket.socket) -> None:
        for number in signals.recv(4096):
            if number in STOP_SIGNALS and time.monotonic() - self._last_heard > SAME_S:
                self._last_heard = time.monotonic()
                self._signals_heard += 1
                if self._signals_heard == 1:
                    name, grace_s = signal.Signals(number).name, self._grace_s
                    log.info("Stopping on %s: running tasks have %g s to finish. Again: at once.", name, grace_s)
                    self._drain()
                elif self._signals_heard == 2:
                    log.warning("Second signal: stopping at once; what runs goes back to its queue.")
                    for process in self._processes:
                        process.hurry(AT_ONCE_S)

    def _drain(self) -> None:
        for process in self._processes:
            process.drain(self._grace_s + MARGIN_S)

    # Looking after.

    def _look_after(self) -> None:
        """Kill what should have ended, and see whether event loops go on."""
        now = time.monotonic()
        for process in self._processes:
            if now >= process.kill_at:
                log.warning("Worker process %d has not stopped in time and is killed.", process.pid)
                process.dismiss()
        if now >= self._next_look:
            self._next_look = now + self._look_s
            for process in self._processes:
                process.look()
                self._judge(process, process.still * self._look_s)

    def _judge(self, process: WorkerProcess, still_s: float) -> None:
        # Looks are counted, not time: when this process was stopped itself, the others are not to blame.
        if self._stall_limit_s and still_s >= self._stall_limit_s:
            log.error("The event loop of worker process %d made no step for %g s; killed.", process.pid, still_s)
            process.kill(f"killed because its event loop made no step for {still_s:g} s")
        elif still_s - self._look_s < STALL_WARNING_S <= still_s:
            log.warning("The event loop of worker process %d makes no step; is a task blocking it?", process.pid)

    def _bury(self, process: WorkerProcess) -> None:
        """Hand back what a process had that has ended, and see to its place."""
        if process.line in self._selector.get_map():
            self._hear(process)  # its last words
            if process.line in self._selector.get_map():
                self._selector.unregister(process.line)
        process.line.close()
        seat = self._processes.pop(process)
        self._leases.end(process.cell, process.death)
        if process.death is not None and (process.owner or not self._stopping):
            what = "died" if process.owner else "could not start"
            log.error("Worker process %d %s: %s.", process.pid, what, process.fate)
        if seat.process is process:
            seat.process = None
            if self._burst and process.done:
                seat.over = True
            elif process.owner and time.monotonic() - process.started > QUICK_S:
                seat.failures = 0
            else:
                self._failed(seat, process.error or process.fate, never_up=not process.owner)


@contextlib.contextmanager
def _heard_signals() -> Iterator[socket.socket]:
    """A socket on which the numbers of signals arrive: those that stop, and the deaths of children."""
    heard, written = socket.socketpair()
    with heard, written:
        for end in (heard, written):
            end.setblocking(False)
        old_descriptor = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        try:
            with handled(lambda _number, _frame: None, signal.SIGCHLD):
                yield heard
        finally:
            signal.set_wakeup_fd(old_descriptor)
