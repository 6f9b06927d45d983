"""How fast we try again: full jitter under a growing cap, and at most one failed connect a second."""

from __future__ import annotations

import random
import time

from qtasks.errors import BackendError

from qtasks_redis.settings import RECONNECT_JITTER_S, RECONNECT_S, RETRY_JITTER_S


class Pace:
    """The failed attempts to connect in a row, of one loop or thread."""

    def __init__(self) -> None:
        self.error: BackendError | None = None
        """Of the last attempt; None when it succeeded."""
        self._failures = 0
        self._not_before = 0.0

    def wait_s(self) -> float:
        """How long to wait before the next attempt, seconds; mostly 0."""
        return max(0.0, self._not_before - time.monotonic())

    def failed(self, error: BackendError) -> None:
        """Note a failed attempt."""
        self.error = error
        self._not_before = time.monotonic() + RECONNECT_S + jitter_s(self._failures, *RECONNECT_JITTER_S)
        self._failures += 1

    def succeeded(self) -> None:
        """Note that the connection stands."""
        self.error = None
        self._failures = 0
        self._not_before = 0.0


def retry_s(failures: int) -> float:
    """How long to wait before asking a server again that cannot serve just now, seconds."""
    return jitter_s(failures, *RETRY_JITTER_S)


def jitter_s(failures: int, first_s: float, cap_s: float) -> float:
    """Any time up to the first one, doubled with every failure, and to the cap at most, seconds."""
    return random.uniform(0, min(cap_s, first_s * 2 ** min(failures, 16)))  # noqa: S311 - jitter
