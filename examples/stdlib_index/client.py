"""Adds the tasks and collects their results: what a program of yours would do, in a process of its own."""

from collections.abc import Callable
from typing import Any

from app import Facts, app, describe_large, describe_small, survey
from qtasks import Task

LARGE = 16 * 1024
"""Files of so many bytes are described in threads."""

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much; of 0 while nobody knows."""


async def find_sources(root: str, progress: Progress) -> dict[str, int]:
    """Have a worker search a directory, and follow its stream meanwhile; gives the size of each file."""
    task = await survey.add_task(root)
    sizes: dict[str, int] = {}
    async for found in task.stream():
        sizes |= found["sizes"]
        progress(len(sizes), 0)
    await task.wait_result_async()
    if task.result() != len(sizes):
        raise RuntimeError(f"The survey counted {task.result()} files, but its stream told of {len(sizes)}.")
    return sizes


async def describe_all(sizes: dict[str, int], progress: Progress) -> list[Task[Facts]]:
    """Add one task for each file, all in one round trip, and wait until the last one has ended."""
    tasks = await app.add_tasks(
        [describe_small(path) if size < LARGE else describe_large(path) for path, size in sizes.items()]
    )
    for done, task in enumerate(tasks, start=1):
        await task.wait_result_async()
        progress(done, len(tasks))
    return tasks


def outcome(task: Task[Any]) -> Facts | str:
    """What came of a task: its result, or the error that it ended with."""
    return task.error or task.result()
