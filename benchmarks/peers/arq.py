"""arq: polls its queue; acknowledged after the result is stored."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0", "uvloop==0.23.0"]
#
# [tool.bench.arq]
# worker = "arq peers.arq.WorkerSettings --custom-log-dict peers.arq.QUIET"
# note = "polling every millisecond instead of every 500 (worker and waiting for results), uvloop, no logging"
# ///

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from comparison.bodies import hit
from comparison.bodies import spin as spin_once

POLL_S = 0.001
QUIET = {"version": 1}

uvloop.install()


async def noop(_context: dict[str, Any], value: int) -> int:
    """Answer at once."""
    hit()
    return value


async def wait(_context: dict[str, Any], value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


async def spin(_context: dict[str, Any], value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


class WorkerSettings:
    """What the worker reads."""

    functions = (noop, wait, spin)
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "100"))
    poll_delay = POLL_S
    keep_result = 600
    log_results = False


pool: ArqRedis


async def open_async() -> None:
    """Connect."""
    global pool  # noqa: PLW0603
    pool = await create_pool(WorkerSettings.redis_settings)


async def add_async(task: str, value: int) -> Any:
    """One task."""
    return await pool.enqueue_job(task, value)


async def result_async(handle: Any) -> Any:
    """Polls: arq has nothing else."""
    return await handle.result(poll_delay=POLL_S)
