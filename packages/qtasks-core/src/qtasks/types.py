"""The words that every layer shares: statuses, the clock, names, plain aliases.

Nothing here imports anything of QTasks.
"""

from __future__ import annotations

import enum
import re
import time
from typing import Any, Protocol, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""What travels on the wire."""

AnyFunction: TypeAlias = Any
"""A user's function of any kind: plain, coroutine, generator, asynchronous generator."""

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
"""What names of queues and namespaces look like (`fullmatch`)."""

US_PER_S = 1_000_000
"""Microseconds in a second: times on the wire are integer microseconds UTC."""


class TaskStatus(enum.StrEnum):
    """Where a task stands. The first three are open; the others are terminal and never change.

    - `new`: accepted and waiting for a worker (also while it is delayed). A worker takes it out.
    - `process`: a worker owns it. This is ownership, not a written value.
    - `retry`: an attempt failed; the next one waits for its time. A worker takes it out.
    - `success`: the function returned. Kept for `result_ttl` seconds.
    - `error`: the function raised and no retry is left. Kept for `failure_ttl` seconds.
    - `cancel`: cancelled on request, or by the task itself. Kept like `error`; for 7 days when it waited.
    - `dead`: never ran to an end for a reason of its own: malformed, unknown for a day, or its
      worker died three times. The dead letters; kept until replayed, dropped, or the cap is reached.
    - `expired`: its `expires` passed before a worker took it. Kept for 7 days.
    """

    NEW = "new"
    PROCESS = "process"
    RETRY = "retry"
    SUCCESS = "success"
    ERROR = "error"
    CANCEL = "cancel"
    DEAD = "dead"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """True when the task has ended: its record does not change any more."""
        return self not in _OPEN


_OPEN = frozenset({TaskStatus.NEW, TaskStatus.PROCESS, TaskStatus.RETRY})


class Clock(Protocol):
    """Both clocks that a backend needs, so that tests can hold and advance them."""

    def wall_us(self) -> int:
        """The time of day: microseconds since the epoch, UTC. For due times, expiry, retention."""

    def monotonic_us(self) -> int:
        """Microseconds that never jump and go on while the process sleeps. For leases."""


class SystemClock:
    """The machine's own clocks."""

    def wall_us(self) -> int:
        """`time.time` in microseconds."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """`time.monotonic` in microseconds: one clock for all processes of a machine."""
        return time.monotonic_ns() // 1000


SYSTEM_CLOCK: Clock = SystemClock()
