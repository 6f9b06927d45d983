"""The floor: the least an at-least-once queue with stored results must do, over redis-py; no framework at all.

Tasks wait in a list. One script a batch stores the results of the last one with their expiry, wakes who waits, drops
the batch from the list of what is in the worker's hands, and moves the next one there. A worker that comes back would
begin with that list. There are no retries, no hooks, no leases.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["redis==8.1.0", "hiredis==3.5.0", "uvloop==0.23.0", "msgpack==1.2.3"]
#
# [tool.bench.floor]
# worker = "python -m peers.floor"
# note = "no framework: lists and one script a batch, redis-py, uvloop, batches as large as the concurrency"
# ///

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgpack
import redis
import redis.asyncio
import uvloop
from comparison.bodies import hit
from comparison.bodies import spin as spin_once

QUEUE, RESULT, TTL_S = "floor:queue", "floor:result:", 600

STEP = f"""
local done = cmsgpack.unpack(ARGV[1])
for _, each in ipairs(done) do
    local key = '{RESULT}' .. each[1]
    if each[3] then redis.call('RPUSH', key, each[2]) redis.call('EXPIRE', key, {TTL_S})
    else redis.call('SET', key, each[2], 'EX', {TTL_S}) end
end
if #done > 0 then redis.call('LTRIM', KEYS[2], #done, -1) end
local batch = redis.call('LPOP', KEYS[1], ARGV[2])
if not batch then return {{}} end
redis.call('RPUSH', KEYS[2], unpack(batch))
return batch
"""

client = redis.Redis.from_url(os.environ["BENCH_REDIS"])


async def noop(value: int) -> int:
    """Answer at once."""
    hit()
    return value


async def wait(value: int) -> int:
    """Wait so many milliseconds."""
    await asyncio.sleep(value / 1000)
    hit()
    return value


async def spin(value: int) -> int:
    """Use the processor."""
    spin_once()
    hit()
    return value


TASKS = {"noop": noop, "wait": wait, "spin": spin}


def _message(task: str, value: int, *, awaited: bool) -> tuple[str, bytes]:
    task_id = os.urandom(16).hex()
    return task_id, msgpack.packb([task_id, task, value, awaited])


def add(task: str, value: int) -> str:
    """One command."""
    task_id, message = _message(task, value, awaited=False)
    client.rpush(QUEUE, message)
    return task_id


def add_many(task: str, values: list[int]) -> None:
    """One command for all."""
    client.rpush(QUEUE, *(_message(task, value, awaited=False)[1] for value in values))


def result(handle: str) -> Any:
    """The result of a task that nobody was announced to wait for: only after its end."""
    while (stored := client.get(RESULT + handle)) is None:
        pass
    return msgpack.unpackb(stored)


def trip(task: str, value: int) -> Any:
    """The worker pushes the result, since the message says that somebody waits."""
    task_id, message = _message(task, value, awaited=True)
    client.rpush(QUEUE, message)
    return msgpack.unpackb(client.blpop(RESULT + task_id)[1])


async def work() -> None:
    """The worker: all tasks of a batch at once, until it is killed."""
    connection = redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS"], socket_timeout=None)
    step, hands = connection.register_script(STEP), f"floor:hands:{os.getpid()}"
    size = int(os.environ["BENCH_CONCURRENCY"])
    done: list[Any] = []
    while True:
        batch = await step([QUEUE, hands], [msgpack.packb(done, use_bin_type=False), size])
        batch = batch or [await connection.blmove(QUEUE, hands, 0)]
        done = await _run([msgpack.unpackb(message) for message in batch])


async def _run(batch: list[Any]) -> list[Any]:
    """What does not wait runs without a task of asyncio each."""
    if batch[0][1] == "wait":
        answers = await asyncio.gather(*(wait(value) for _, _, value, _ in batch))
    else:
        answers = [await TASKS[name](value) for _, name, value, _ in batch]
    return [
        (task_id, msgpack.packb(answer), awaited)
        for (task_id, _, _, awaited), answer in zip(batch, answers, strict=True)
    ]


if __name__ == "__main__":
    uvloop.run(work())
