"""For the tests of programs that use QTasks: run a worker for the length of a block, without any server.

    with in_memory(app) as clock, running(app):
        task = remind.options(delay="1d").add_task("tea")
        clock.advance(86_400)
        assert task.wait_result(5).result() == "tea"

`async with running(app)` runs the worker on the test's own event loop.
"""

from qtasks.testing.memory import MovableClock, in_memory
from qtasks.testing.worker import RunningWorker, running

__all__ = ["MovableClock", "RunningWorker", "in_memory", "running"]
