"""taskiq with taskiq-redis: a list (a task is gone when it starts) or a stream (acknowledged after its result)."""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis==3.5.0", "uvloop==0.23.0", "orjson==3.13.0",
# ]
#
# [tool.bench.taskiq-list]
# worker = """taskiq worker peers.taskiq:broker --workers {processes} --max-async-tasks {concurrency} \
#     --max-prefetch {concurrency} --no-parse --log-level ERROR"""
# environment = { BENCH_TASKIQ = "list" }
# note = """ListQueueBroker, RedisAsyncResultBackend with expiry, orjson, uvloop, arguments not parsed; \
#     who waits polls every millisecond"""
#
# [tool.bench.taskiq-stream]
# worker = """taskiq worker peers.taskiq:broker --workers {processes} --max-async-tasks {concurrency} \
#     --max-prefetch {concurrency} --no-parse --log-level ERROR"""
# environment = { BENCH_TASKIQ = "stream" }
# note = "RedisStreamBroker reading 100 at a time, otherwise as the list"
# ///

from __future__ import annotations

import asyncio
import os
from typing import Any

from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["BENCH_REDIS"]

results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(URL, result_ex_time=600, serializer=ORJSONSerializer())
if os.environ["BENCH_TASKIQ"] == "list":
    broker: Any = ListQueueBroker(URL)
else:
    broker = RedisStreamBroker(URL, xread_count=100)
broker = broker.with_result_backend(results).with_serializer(ORJSONSerializer())


@broker.task
async def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@broker.task
async def wait(value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


@broker.task
async def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


async def open_async() -> None:
    """Connect."""
    await broker.startup()


async def add_async(task: str, value: int) -> Any:
    """One task."""
    return await TASKS[task].kiq(value)


async def result_async(handle: Any) -> Any:
    """Polls: taskiq has nothing else."""
    return (await handle.wait_result(check_interval=0.001)).return_value
