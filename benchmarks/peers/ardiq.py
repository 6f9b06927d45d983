"""ArdiQ: its loop and its Redis client are written in Rust; streams, acknowledged after the result."""

# /// script
# requires-python = ">=3.12"
# dependencies = ["ardiq==1.2.0", "msgpack==1.2.4", "uvloop==0.23.0"]
#
# [tool.bench.ardiq]
# worker = "ardiq run -q -w {processes} peers.ardiq:app"
# note = "uvloop, prefetch as by default, results of 600 s"
#
# [tool.bench.ardiq-threads]
# worker = "ardiq run -q -w {processes} peers.ardiq:app"
# environment = { BENCH_THREADS = "yes" }
# note = "plain functions in threads, all else the same"
# ///

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from ardiq import Ardiq
from comparison.bodies import chosen

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

app = Ardiq(
    os.environ["BENCH_REDIS"],
    "bench",
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "100")),
    result_ttl_ms=600_000,
)


TASKS = {name: app.task(name=name)(body) for name, body in chosen().items()}


async def add_async(task: str, value: int) -> Any:
    """One task."""
    return await TASKS[task].enqueue(value)


async def add_many_async(task: str, values: list[int]) -> None:
    """Many in one call."""
    await app.enqueue_many([TASKS[task].prepare(value) for value in values])


async def result_async(handle: Any) -> Any:
    """Blocks in the core."""
    return (await handle.result(timeout=60)).value
