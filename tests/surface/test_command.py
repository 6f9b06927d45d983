"""The product page on the command and the statistics, line by line."""

import asyncio
import json

import pytest
from qtasks.stats import AsyncStats, SyncStats

PATIENCE_S = 20.0

APP = """
from qtasks import QueueTasks

app = QueueTasks()

@app.task
def double(x):
    return x * 2
"""


@pytest.mark.needs("sqlite")
def test_the_command_runs_a_worker(app_file, qtasks):
    module = app_file(APP)
    worker = qtasks("-A", "app:app", "run")
    assert module.double.add_task(4, timeout=PATIENCE_S).result() == 8
    worker.terminate()
    _, errors = worker.communicate(timeout=PATIENCE_S)
    assert worker.returncode == 0, errors
    module.app.close()


@pytest.mark.needs("sqlite")
def test_the_command_inspects(app_file, qtasks):
    module = app_file(APP)
    module.double.add_task(4)
    module.app.close()

    def inspect(*words):
        process = qtasks("-A", "app:app", "stats", "inspect", *words)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        return output

    assert "double" in inspect("tasks")
    assert "QueueTasks" in inspect("app")
    assert json.loads(inspect("task", "double", "json=true"))["name"] == "double"


@pytest.mark.parametrize("face", ["async", "sync"])
def test_stats_give_the_facts_from_code(app, async_app, face):
    app.task("double")(lambda x: x * 2)
    async_app.task("double")(lambda x: x * 2)
    app.add_task("double", 4)

    async def look():
        found = await AsyncStats(async_app).inspect()
        await async_app.close()
        return found

    stats = SyncStats(app).inspect() if face == "sync" else asyncio.run(look())
    assert "double" in stats.tasks()
    assert json.loads(stats.task("double", json=True))["name"] == "double"
    assert json.loads(stats.app(json=True))["name"] == "QueueTasks"
