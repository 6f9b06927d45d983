"""repid: a stream with a consumer group; it stores no results, so it has no round trip."""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "repid[redis]==2.1.4", "redis==7.4.1", "hiredis==3.5.0", "uvloop==0.23.0", "typing-extensions==4.16.0",
# ]
#
# [tool.bench.repid]
# worker = "python -m peers.repid"
# note = "stores no results; reads 100 at a time, uvloop, tasks_limit is the concurrency"
# ///

from __future__ import annotations

import asyncio
import logging
import os

import uvloop
from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from repid import RedisServer, Repid, Router

app = Repid(title="bench", version="1")
app.servers.register_server("default", RedisServer(os.environ["BENCH_REDIS"], batch_size=100), is_default=True)
router = Router()


@router.actor
async def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@router.actor
async def wait(value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


@router.actor
async def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


app.include_router(router)
connection = app.servers.default.connection()


async def open_async() -> None:
    """Connect."""
    await connection.__aenter__()


async def add_async(task: str, value: int) -> None:
    """One message; there is no handle."""
    await app.send_message_json(channel="default", payload={"value": value}, headers={"topic": task})


async def work() -> None:
    """The worker."""
    async with app.servers.default.connection():
        await app.run_worker(tasks_limit=int(os.environ["BENCH_CONCURRENCY"]))


if __name__ == "__main__":
    logging.disable()
    uvloop.run(work())
