"""SAQ: slot coroutines, each with one blocking pop; results kept in the job."""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "saq[redis]==0.26.4", "redis==7.4.1", "hiredis==3.5.0", "uvloop==0.23.0", "orjson==3.13.0",
#     "typing-extensions==4.16.0",
# ]
#
# [tool.bench.saq]
# worker = "saq peers.saq.settings -q"
# note = """orjson, uvloop, no limit on concurrent operations; who waits polls every millisecond \
#     (its own call does so every 500)"""
# ///

from __future__ import annotations

import asyncio
import os
from typing import Any

import orjson
import uvloop
from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from saq import Queue

POLL_S = 0.001

uvloop.install()


async def noop(_context: dict[str, Any], *, value: int) -> int:
    """Answer at once."""
    hit()
    return value


async def wait(_context: dict[str, Any], *, value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


async def spin(_context: dict[str, Any], *, value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


queue = Queue.from_url(
    os.environ["BENCH_REDIS"], name="bench", dump=orjson.dumps, load=orjson.loads, max_concurrent_ops=1000
)
settings = {
    "queue": queue,
    "functions": [noop, wait, spin],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "100")),
}


async def open_async() -> None:
    """Connect."""
    await queue.connect()


async def add_async(task: str, value: int) -> Any:
    """One task."""
    return await queue.enqueue(task, value=value, ttl=600)


async def result_async(handle: Any) -> Any:
    """Polls, as `Queue.apply` does: `refresh(until_complete=...)` misses a job that ends before it has subscribed."""
    while not handle.completed:
        await handle.refresh()
        await asyncio.sleep(0 if handle.completed else POLL_S)
    return handle.result
