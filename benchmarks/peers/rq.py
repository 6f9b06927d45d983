"""RQ: one task at a time; SimpleWorker runs it in the worker's own process instead of a fork for each."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["rq==3.0.0", "redis==8.1.0", "hiredis==3.5.0"]
#
# [tool.bench.rq]
# worker = "rq worker bench -w rq.worker.SimpleWorker -u {redis} -q --disable-job-desc-logging"
# note = """SimpleWorker (no fork for each task), so one task at a time; results of 600 s; \
#     who waits reads the stream of the result"""
# serial = true
# ///

from __future__ import annotations

import os
import time
from typing import Any

from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from redis import Redis
from rq import Queue

queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_REDIS"]), default_result_ttl=600)


def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


def wait(value: int) -> int:
    """Wait so many milliseconds."""
    time.sleep(value / 1000)
    hit()
    return value


def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


def add(task: str, value: int) -> Any:
    """One task."""
    return queue.enqueue(TASKS[task], value)


def add_many(task: str, values: list[int]) -> None:
    """Many in one pipeline."""
    queue.enqueue_many([Queue.prepare_data(TASKS[task], (value,)) for value in values])


def result(handle: Any) -> Any:
    """Blocks on the stream of the result."""
    return handle.latest_result(timeout=60).return_value
