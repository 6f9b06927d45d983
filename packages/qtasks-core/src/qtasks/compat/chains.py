"""Chains of QTasks 1.7: each call is given the result of the one before it."""

from __future__ import annotations

import time
from typing import Any

import attrs

from qtasks.errors import ConfigError
from qtasks.options import Duration, seconds
from qtasks.result import NO_LIMIT_S, Task
from qtasks.runtime import Link
from qtasks.task import PreparedCall
from qtasks.types import TaskStatus


class Chain:
    """Prepared calls, in order.

    Raises:
        ConfigError: there are none, or something else is among them.
    """

    def __init__(self, *calls: PreparedCall[Any]) -> None:
        if not calls or not all(isinstance(call, PreparedCall) for call in calls):
            raise ConfigError(f"A chain takes prepared calls, found {calls!r}.", "Write chain(first(1), second()).")
        self._calls = calls

    async def _run(self, link: Link, timeout: Duration) -> list[Task[Any]]:
        deadline = time.monotonic() + (NO_LIMIT_S if timeout is None else seconds(timeout, "timeout"))
        tasks: list[Task[Any]] = []
        for call in self._calls:
            left_s = max(0.0, deadline - time.monotonic())
            bound = call.bind(tasks[-1].returning).call if tasks else call.call
            awaited = attrs.evolve(bound, options=attrs.evolve(bound.options, timeout=left_s))  # the result is pushed
            tasks += await call.home.runtime.producer.send(link, [awaited])
            if await tasks[-1].wait(link, left_s) is None or tasks[-1].status is not TaskStatus.SUCCESS:
                break
        return tasks


class SyncChain(Chain):
    """Of the blocking face."""

    def get(self, timeout: Duration = 50.0) -> list[Task[Any]]:
        """Run one call after the other, each with the result of the one before behind its arguments.

        Args:
            timeout: how long all of them may take together, seconds, a duration text or a timedelta; None is without
                a limit.

        Returns:
            the tasks that were added. One that did not succeed, or not in time, is the last.
        """
        return self._calls[0].home.runtime.run_blocking(lambda link: self._run(link, timeout), "get() of a chain")


class AsyncChain(Chain):
    """Of the awaitable face."""

    async def get(self, timeout: Duration = 50.0) -> list[Task[Any]]:
        """Like `SyncChain.get`, awaited."""
        return await self._calls[0].home.runtime.run_async(lambda link: self._run(link, timeout))


class SyncTaskUtils:
    """What programs of 1.7 call with tasks of the blocking face."""

    chain = SyncChain


class AsyncTaskUtils:
    """What programs of 1.7 call with tasks of the awaitable face."""

    chain = AsyncChain
