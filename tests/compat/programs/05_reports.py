"""Reports: tasks that yield, and handlers that answer them, of every kind.

Worker: qtasks -A program:app run -p 2
"""

import asyncio
import os
import time
from pathlib import Path

from qtasks.asyncio.qtasks import QueueTasks

app = QueueTasks("reports", os.environ["QTASKS_URL"])


def bold(line):
    return f"<b>{line}</b>"


async def numbered(line):
    await asyncio.sleep(0)
    return f"1. {line}"


@app.task
def pages(count: int):
    for number in range(count):
        yield f"page {number}"


@app.task(generate_handler=bold)
def chapter(title: str):
    heading = yield title
    yield f"after {heading}"


@app.task(generate_handler=numbered)
def listed(*lines: str):
    for line in lines:
        _ = yield line


@app.task(generate_handler=bold)
async def letter(name: str):
    greeting = yield f"Dear {name}"
    yield greeting


@app.task(generate_handler=numbered)
async def agenda(first: str):
    yield first


@app.task(generate_handler=bold)
def summary(*lines: str):
    words = 0
    for line in lines:
        shown = yield line
        words += len(shown.split())
    return {"words": words}


@app.task(echo=True, generate_handler=bold)
async def aware(self, line: str):
    yield self.ctx.generate_handler is bold and self.ctx.generate_handler(line)


@app.task
def printed(count: int):
    for number in range(count):
        yield number
        while not Path(f"read {number}").exists():
            time.sleep(0.005)


def mark_as_read(number: int):
    Path(f"read {number}").touch()


async def main():
    for task, arguments, result in [
        (pages, (2,), ["page 0", "page 1"]),
        (chapter, ("One",), ["<b>One</b>", "<b>after <b>One</b></b>"]),
        (listed, ("a", "b"), ["1. a", "1. b"]),
        (letter, ("Ada",), ["<b>Dear Ada</b>", "<b><b>Dear Ada</b></b>"]),
        (agenda, ("tea",), ["1. tea"]),
        (summary, ("one two", "three"), {"words": 3}),
        (aware, ("x",), ["<b><b>x</b></b>"]),
    ]:
        done = await task.add_task(*arguments, timeout=30.0)
        assert done.returning == result, (task, done.returning, done.traceback)

    # Each page is read while the next one is not yet written.
    task = await printed.add_task(3)
    read = []
    async for number in task.stream():
        read.append(number)
        mark_as_read(number)
    assert read == [0, 1, 2]
    assert (await task.wait_result_async(timeout=30.0)).returning == read
    assert [number async for number in task.stream(offset=1)] == [1, 2]


if __name__ == "__main__":
    asyncio.run(main())
