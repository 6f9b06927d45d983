"""The awaitable face: calls, streams while the task runs, statistics.

Worker: qtasks -A program:app run -p 2
"""

import asyncio
import os

from qtasks.asyncio import QueueTasks
from qtasks.stats import AsyncStats

app = QueueTasks(broker_url=os.environ["QTASKS_URL"])


@app.task
async def handler(x: int):
    return x * 2


async def gen_handler(result):
    return result + 1


@app.task(generate_handler=gen_handler)
async def numbers(count: int):
    for number in range(count):
        answer = yield number
        assert answer == number + 1


@app.task
def blocking(x: int):
    yield x
    yield x + 1


async def main():
    assert (await handler.add_task(4, timeout=30)).returning == 8
    task = await app.add_task("numbers", 3)
    assert [value async for value in task.stream()] == [1, 2, 3]
    assert [value async for value in task.stream(offset=2)] == [3]
    assert (await task.wait_result_async()).returning == [1, 2, 3]
    assert (await blocking.add_task(1, timeout=30)).returning == [1, 2]
    assert "numbers" in (await AsyncStats(app).inspect()).tasks()
    await app.close()


if __name__ == "__main__":
    asyncio.run(main())
