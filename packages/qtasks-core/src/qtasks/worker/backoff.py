"""Waiting between attempts to reach a backend that fails: exponential, with full jitter and a cap."""

from __future__ import annotations

import asyncio
import logging
import random

FIRST_S = 0.05
CAP_S = 2.0


class Backoff:
    """The failures in a row of one loop."""

    def __init__(self) -> None:
        self.failures = 0

    def note(self, log: logging.Logger, what: str, error: Exception) -> None:
        """Count a failure; the first of a row is logged, and every tenth."""
        if self.failures % 10 == 0:
            log.warning("%s (attempt %d, trying on): %s", what, self.failures + 1, error)
        self.failures += 1

    async def sleep(self) -> None:
        """Wait before the next attempt."""
        longest = min(CAP_S, FIRST_S * 2 ** min(self.failures, 16))
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter

    def reset(self) -> None:
        """Note a success."""
        self.failures = 0
