"""Waiting between attempts to reach a backend that fails: exponential, with full jitter and a cap."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from qtasks.errors import in_a_line

FIRST_S = 0.05
CAP_S = 2.0

log = logging.getLogger("qtasks.worker")


class Backoff:
    """The failures in a row of one loop."""

    def __init__(self) -> None:
        self.failures = 0
        self._what = ""
        self._since = 0.0

    def note(self, what: str, error: Exception) -> None:
        """Count a failure; the first of a row is logged, and every tenth."""
        if not self.failures:
            self._what, self._since = what, time.monotonic()
        if self.failures % 10 == 0:
            log.warning("%s (attempt %d, trying on): %s", what, self.failures + 1, in_a_line(error))
        self.failures += 1

    async def sleep(self) -> None:
        """Wait before the next attempt."""
        longest = min(CAP_S, FIRST_S * 2 ** min(self.failures, 16))
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter

    def reset(self) -> None:
        """Note a success; the end of a row of failures is logged."""
        if self.failures:
            log.info("%s: over after %.1f s.", self._what, time.monotonic() - self._since)
        self.failures = 0
