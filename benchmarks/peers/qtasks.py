"""QTasks: what this repository is about; it runs in the environment of the command, where it is installed."""

# /// script
# requires-python = ">=3.11"
#
# [tool.bench.qtasks]
# worker = "qtasks -A peers.qtasks:app run -c {concurrency} -p {processes} -l warning"
# note = "coroutines, uvloop; all else as by default"
#
# [tool.bench.qtasks-asyncio]
# worker = "qtasks -A peers.qtasks:app run -c {concurrency} -p {processes} -l warning"
# environment = { BENCH_UVLOOP = "no" }
# note = "coroutines on the loop of asyncio"
#
# [tool.bench.qtasks-threads]
# worker = "qtasks -A peers.qtasks:app run -c {concurrency} -p {processes} -l warning"
# environment = { BENCH_THREADS = "yes" }
# note = "plain functions in threads, uvloop"
# ///

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

if os.environ.get("BENCH_UVLOOP") == "no":
    sys.modules["uvloop"] = None  # type: ignore[assignment] # importing it fails from now on

from comparison.bodies import chosen
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import TaskMessage, new_id
from qtasks_redis.script import Script

URL = os.environ["BENCH_REDIS"]

app = QueueTasks(broker_url=URL)
async_app = AsyncQueueTasks(broker_url=URL)


TASKS: dict[str, Any] = {name: app.task(name)(body) for name, body in chosen().items()}


def add(task: str, value: int) -> Any:
    """One task."""
    return TASKS[task].add_task(value)


@functools.cache
def _client() -> Any:
    import redis  # workers have no need of it

    return redis.Redis.from_url(URL)


@functools.cache
def _publish_script() -> Callable[..., Any]:
    script = Script.load("publish")
    _client().script_load(script.text)
    return functools.partial(_client().evalsha, script.sha1)


def _message(task: str, value: int) -> tuple[str, bytes]:
    task_id, now = new_id(), time.time_ns() // 1000
    return task_id, msgspec.json.encode(TaskMessage(1, task_id, app.name, "default", task, [value], enqueued=now))


def add_bare(task: str, value: int) -> None:
    """What one task comes to as a command, without QTasks: the same script over redis-py."""
    task_id, payload = _message(task, value)
    _publish_script()(1, f"qtasks:{{{app.name}}}", "", "push", "default", 1, "80000000", f"0000{task_id}", payload)


def push_bare(task: str, value: int) -> None:
    """The cheapest command that could carry the message: nothing is counted, ordered, or kept beside the queue."""
    _client().rpush("bare", _message(task, value)[1])


def add_many(task: str, values: list[int]) -> None:
    """Many in one call."""
    app.add_tasks([TASKS[task](value) for value in values])


def result(handle: Any) -> Any:
    """Waits for the end."""
    return handle.wait_result(60).returning


def trip(task: str, value: int) -> Any:
    """Add and wait in one call."""
    return TASKS[task].add_task(value, timeout=60).returning


async def add_async(task: str, value: int) -> Any:
    """One task, awaited."""
    return await async_app.add_task(task, value)
