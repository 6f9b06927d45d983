"""Celery: a pool of threads or of processes behind one consumer; acknowledged when a task starts, as by default."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["celery==5.7.0", "packaging==26.3", "redis==8.1.0", "hiredis==3.5.0"]
#
# [tool.bench.celery-threads]
# worker = """celery -A peers.celery worker -P threads -c {concurrency} -l ERROR \
#     --without-gossip --without-mingle --without-heartbeat"""
# drain = 10
# note = "threads; JSON, results in Redis, no rate limits, no events, no gossip, prefetch multiplier 10"
#
# [tool.bench.celery-prefork]
# worker = """celery -A peers.celery worker -P prefork -c {processes} -l ERROR \
#     --without-gossip --without-mingle --without-heartbeat"""
# note = "one child for each process; prefetch multiplier 100, otherwise as with threads"
# serial = true
# environment = { BENCH_PREFETCH = "100" }
# ///

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from comparison.bodies import hit
from comparison.bodies import spin as spin_once

URL = os.environ["BENCH_REDIS"]

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=600,
    worker_disable_rate_limits=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "10")),
    worker_send_task_events=False,
)


@app.task
def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@app.task
def wait(value: int) -> int:
    """Wait so many milliseconds."""
    time.sleep(value / 1000)
    hit()
    return value


@app.task
def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


def add(task: str, value: int) -> Any:
    """One task."""
    return TASKS[task].delay(value)


def result(handle: Any) -> Any:
    """Waits on a subscription to the result's key."""
    return handle.get(timeout=60)
