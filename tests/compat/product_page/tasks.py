"""Tasks of every kind, executors, generators with handlers, and a plugin: the blocking face.

Worker: qtasks -A program:app run -p 2
"""

import json
import os
import subprocess

from qtasks import QueueTasks, hookimpl
from qtasks.executors import AsyncTaskExecutor
from qtasks.stats import SyncStats

app = QueueTasks(broker_url=os.environ["QTASKS_URL"])


@app.task
async def handler(x: int):
    return x * 2


@app.task
def plain_handler(x: int):
    return x * 2


class MyTaskExecutor(AsyncTaskExecutor):
    """A pipeline with its own error handling and its own strategy for retries."""

    async def run_task(self):
        for _ in range(2):
            try:
                return await super().run_task()
            except ConnectionError:
                self.args = ["backup"]
        return await super().run_task()

    async def on_error(self, error):
        return f"handled: {error}"


@app.task(executor=MyTaskExecutor)
def fetch(source: str):
    if source == "main":
        raise ConnectionError
    if source == "nowhere":
        raise LookupError(source)
    return f"from {source}"


def gen_handler(result):
    return f"handled {result}"


@app.task(generate_handler=gen_handler)
def mytask():
    value = yield "step1"  # value is what gen_handler returned for "step1"
    return value  # ... and the task's result


@app.task(generate_handler=gen_handler)
async def steps():
    yield "step1"
    yield "step2"


class MyPlugin:
    @hookimpl
    def task_executor_args_replace(self, args, kw):
        return {"args": [value + 1 if isinstance(value, int) else value for value in args], "kw": kw}


app.add_plugin(MyPlugin(), trigger_names=["task_executor_args_replace"], component="worker")


if __name__ == "__main__":
    assert handler.add_task(4, timeout=30).returning == 10
    assert app.add_task("plain_handler", 4).wait_result().returning == 10
    assert [fetch.add_task(source, timeout=30).returning for source in ("main", "nowhere", "here")] == [
        "from backup",
        "handled: nowhere",
        "from here",
    ]
    assert mytask.add_task(timeout=30).returning == "handled step1"
    task = steps.add_task()
    assert list(task.stream()) == ["handled step1", "handled step2"]
    assert task.wait_result().returning == ["handled step1", "handled step2"]

    found = SyncStats(app).inspect()
    assert "handler" in found.tasks()
    assert json.loads(found.app(json=True))["name"] == "QueueTasks"
    command = ["qtasks", "-A", "program:app", "stats", "inspect", "tasks"]
    assert "mytask" in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
