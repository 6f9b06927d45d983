"""streaq: streams and functions in Lua, results pushed."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["streaq==7.2.0", "coredis==6.9.0", "uvloop==0.23.0"]
#
# [tool.bench.streaq]
# worker = "streaq run peers.streaq:worker -w {processes}"
# note = "uvloop, pickle as by default, prefetch as many as the concurrency"
# ///

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from streaq import Worker

logging.disable()

worker: Worker[None] = Worker(
    redis_url=os.environ["BENCH_REDIS"],
    concurrency=int(os.environ.get("BENCH_CONCURRENCY", "100")),
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(ttl=600)
async def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@worker.task(ttl=600)
async def wait(value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


@worker.task(ttl=600)
async def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


async def open_async() -> None:
    """Connect."""
    await worker.__aenter__()


async def add_async(task: str, value: int) -> Any:
    """One task."""
    return await TASKS[task].enqueue(value)


async def add_many_async(task: str, values: list[int]) -> None:
    """Many in one pipeline."""
    await worker.enqueue_many([TASKS[task].enqueue(value) for value in values])


async def result_async(handle: Any) -> Any:
    """Waits on a subscription."""
    return (await handle.result(60)).result
