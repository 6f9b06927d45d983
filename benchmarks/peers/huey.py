"""huey: worker threads, each with one blocking pop; a task is gone from the queue when it starts (at most once)."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"]
#
# [tool.bench.huey]
# worker = "huey_consumer peers.huey.huey -k thread -w {concurrency} -q -n -d 0.001 -m 0.001 -b 1"
# drain = 4
# note = "RedisHuey, blocking pop, results pushed (notify_result); no scheduler of periodic tasks"
# ///

from __future__ import annotations

import os
import time
from typing import Any

from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], notify_result=True)


@huey.task()
def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@huey.task()
def wait(value: int) -> int:
    """Wait so many milliseconds."""
    time.sleep(value / 1000)
    hit()
    return value


@huey.task()
def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


def add(task: str, value: int) -> Any:
    """One task."""
    return TASKS[task](value)


def result(handle: Any) -> Any:
    """Blocks on the list that the worker pushes to."""
    return handle.get(blocking=True)
