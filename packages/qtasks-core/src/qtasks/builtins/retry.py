"""Retries with back-off and jitter: an ordinary plugin over the hook `worker_task_error_retry`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl
from qtasks.message import Outcome
from qtasks.options import TaskOptions, seconds
from qtasks.types import US_PER_S, TaskStatus

FIRST_DELAY_S = 1.0
"""The delay before the first repetition, where a task states none; doubled each time."""

MAX_DELAY_S = 3600.0
"""The longest delay of the exponential back-off."""


class RetryPlugin(Plugin):
    """Puts failed tasks back."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION
    name = "retry"

    @hookimpl(trylast=True)
    def worker_task_error_retry(self, task_func: Any, model: Outcome, e: Exception) -> Outcome | None:
        """Put the task back while repetitions are left and the exception is of a kind that is retried."""
        options: TaskOptions = task_func.options
        ended = model.delivery.attempt
        if model.status is not TaskStatus.ERROR or ended >= (options.retry or 0):
            return None
        if options.retry_on_exc and not isinstance(e, options.retry_on_exc):
            return None
        due = model.finished + round(delay_s(options, ended) * US_PER_S)
        return replace(model, status=TaskStatus.RETRY, due=due)


def delay_s(options: TaskOptions, ended: int) -> float:
    """How long to wait before the next attempt, seconds.

    Args:
        options: the task's.
        ended: attempts that ended before the one that has just failed.
    """
    wanted: Any = options.retry_delay
    if wanted is None:
        longest: float = min(FIRST_DELAY_S * 2 ** min(ended, 32), MAX_DELAY_S)
        return longest * random.uniform(1.0, 1.5)  # noqa: S311 - jitter
    if callable(wanted):
        wanted = wanted(ended + 1)
    elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
        wanted = wanted[min(ended, len(wanted) - 1)]
    return seconds(wanted, "retry_delay")
