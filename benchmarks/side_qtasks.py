"""What QTasks runs in the benchmarks: `qtasks -A side_qtasks:app run`."""

from __future__ import annotations

import os

from marks import marks_from_environment
from qtasks import QueueTasks

app = QueueTasks(broker_url=os.environ["BENCH_URL"])
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
