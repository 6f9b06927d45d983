"""What the worker runs: `qtasks -A qtasks_testkit.benchmarks.side:app run`; the environment says where."""

from __future__ import annotations

import os

from qtasks import QueueTasks

from qtasks_testkit.benchmarks.marks import marks_from_environment

app = QueueTasks(os.environ["BENCH_NAME"], os.environ["BENCH_URL"])
marks = marks_from_environment()


@app.task
async def noop(value: int) -> int:
    """Answer at once, on the event loop."""
    marks.hit()
    return value


@app.task
def noop_thread(value: int) -> int:
    """Answer at once, in a slot thread."""
    marks.hit()
    return value
