"""dramatiq: worker threads fed by one consumer thread that prefetches; acknowledged after the result is stored."""

# /// script
# requires-python = ">=3.11"
# dependencies = ["dramatiq==2.2.1", "redis==8.1.0", "hiredis==3.5.0"]
#
# [tool.bench.dramatiq]
# worker = "dramatiq peers.dramatiq -p {processes} -t {concurrency} --skip-logging"
# drain = 8
# environment = { dramatiq_queue_prefetch = "200" }
# note = "RedisBroker, Results with the Redis back-end, of the middleware only Retries, prefetch of 200"
# ///

from __future__ import annotations

import os
import time
from typing import Any

import dramatiq
from comparison.bodies import hit
from comparison.bodies import spin as spin_once
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["BENCH_REDIS"]

broker = RedisBroker(url=URL, middleware=[Retries(), Results(backend=RedisBackend(url=URL), store_results=True)])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


@dramatiq.actor
def wait(value: int) -> int:
    """Wait so many milliseconds."""
    time.sleep(value / 1000)
    hit()
    return value


@dramatiq.actor
def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


def add(task: str, value: int) -> Any:
    """One task."""
    return TASKS[task].send(value)


def result(handle: Any) -> Any:
    """Blocks on the list that the worker pushes to."""
    return handle.get_result(block=True)
