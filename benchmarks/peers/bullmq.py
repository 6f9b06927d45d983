"""BullMQ for Python: Lua scripts, one call to fetch and one to finish each task."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["bullmq==3.4.4", "redis==8.1.0", "hiredis==3.5.0", "uvloop==0.23.0"]
#
# [tool.bench.bullmq]
# worker = "python -m peers.bullmq"
# note = """uvloop; results stay in the job; who waits listens to the stream of events, \
#     since the Python client has no call for it"""
# ///

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import uvloop
from bullmq import Queue, QueueEvents, Worker
from comparison.bodies import hit
from comparison.bodies import spin as spin_once

NAME, CONNECTION = "bench", {"connection": os.environ["BENCH_REDIS"]}

queue: Queue
events: QueueEvents
finished: dict[str, asyncio.Future[Any]] = {}


async def process(job: Any, _token: str) -> int:
    """Every task, told apart by name."""
    value: int = job.data["value"]
    if job.name == "wait":
        await asyncio.sleep(value / 1000)
    elif job.name == "spin":
        spin_once()
    hit()
    return value


async def open_async() -> None:
    """Connect, and listen to what finishes."""
    global queue, events  # noqa: PLW0603
    queue = Queue(NAME, CONNECTION)
    events = QueueEvents(NAME, CONNECTION)
    events.on("completed", lambda event, *_: _future(event["jobId"]).set_result(event["returnvalue"]))
    await asyncio.sleep(0.2)  # it listens from now on; nothing says when


async def add_async(task: str, value: int) -> str:
    """One job, known by its id."""
    return str((await queue.add(task, {"value": value})).id)


async def add_many_async(task: str, values: list[int]) -> None:
    """Many in one pipeline."""
    await queue.addBulk([{"name": task, "data": {"value": value}} for value in values])


async def result_async(handle: str) -> Any:
    """Waits for the event."""
    return await asyncio.wait_for(_future(handle), 60)


def _future(job_id: str) -> asyncio.Future[Any]:
    """The one of a job, whichever comes first: its event or its waiter."""
    return finished.setdefault(job_id, asyncio.get_running_loop().create_future())


async def work() -> None:
    """The worker, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = Worker(NAME, process, CONNECTION | {"concurrency": int(os.environ["BENCH_CONCURRENCY"])})
    await stop.wait()
    await worker.close()


if __name__ == "__main__":
    uvloop.run(work())
