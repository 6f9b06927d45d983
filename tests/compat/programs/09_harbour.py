"""A harbour master's look at it all: statistics from code and from the command line, and the gateway for others.

Worker: qtasks --app program:make_app run -p 2
"""

import asyncio
import json
import os
import subprocess

from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.plugins.grpc import AsyncgRPCPlugin, SyncgRPCPlugin
from qtasks.stats import AsyncStats, SyncStats
from qtasks.stats.inspect import InspectStats


def make_app(kind=QueueTasks):
    app = kind("harbour", os.environ["QTASKS_URL"])

    @app.task(description="Moors a ship.", priority=2, tags=["quay"])
    def moor(ship: str):
        return f"{ship} at quay 4"

    @app.task
    def sail(ship: str):
        return ship

    app.add_plugin((AsyncgRPCPlugin if kind is AsyncQueueTasks else SyncgRPCPlugin)("127.0.0.1:0"))
    return app


def inspect(*words):
    command = ["qtasks", "-A", "program:make_app", "stats", "inspect", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def from_async_code():
    app = make_app(AsyncQueueTasks)
    found = await AsyncStats(app).inspect()
    assert isinstance(found, InspectStats)
    assert json.loads(found.app(json=True))["name"] == "harbour"
    assert "Moors a ship." in found.task("moor")
    await app.close()


if __name__ == "__main__":
    app = make_app()
    assert app.add_task("moor", "Aurora", timeout=30.0).returning == "Aurora at quay 4"
    found = SyncStats(app).inspect()
    assert "harbour" in found.app()
    told = json.loads(found.task("moor", json=True))
    assert (told["name"], told["description"], told["options"]["priority"]) == ("moor", "Moors a ship.", 2)
    assert {each["name"] for each in json.loads(found.tasks(json=True))} == {"moor", "sail"}
    assert "sail" in found.tasks("sail", json=False)
    assert "moor" not in found.tasks("sail")

    asked = [inspect("app"), inspect("task", "moor", "json=true"), inspect("tasks", "moor", "sail")]
    asyncio.run(from_async_code())
    about_app, about_moor, about_both = [each.communicate(timeout=30)[0] for each in asked]
    assert "harbour" in about_app
    assert json.loads(about_moor)["options"] == told["options"]
    assert "moor" in about_both
    assert "sail" in about_both
