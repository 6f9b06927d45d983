"""A courier: tasks that see themselves, in both faces, and all that their context tells and does.

Worker: qtasks -A program:app run -p 2
"""

import os
from uuid import UUID

from qtasks import QueueTasks
from qtasks.configs.config import QueueConfig
from qtasks.contexts import AsyncContext, SyncContext
from qtasks.plugins.base import BasePlugin
from qtasks.registries.async_task_decorator import AsyncTask
from qtasks.registries.sync_task_decorator import SyncTask

app = QueueTasks("courier", os.environ["QTASKS_URL"], config=QueueConfig(fleet="bicycles"))


class Redelivery(BasePlugin):
    """Answers `ctx.plugin_error(...)`."""

    def trigger(self, name: str, **kwargs):
        found = getattr(kwargs["e"], "kwargs", {})
        return {"result": f"left at {found['neighbour']}"} if "neighbour" in found else None


app.add_plugin(Redelivery(name="redelivery"), trigger_names=["task_executor_run_task_trigger_error"])


@app.task
def weigh(parcel: str):
    return len(parcel)


@app.task(echo=True, retry=2, priority=4, tags=["van"], description="Drives.", max_time=60.0, vehicle="van")
def drive(self: SyncTask, parcel: str):
    assert isinstance(self.ctx, SyncContext)
    self.ctx.get_logger().info("driving %s", parcel)
    self.ctx.sleep(0.001)
    weighed = self.add_task(parcel, task_name="weigh", priority=1)
    me = self.ctx.get_metadata(cache=True)
    return {
        "name": self.ctx.task_name,
        "uuid": str(self.ctx.task_uuid),
        "metadata": [str(me.uuid), me.task_name, list(me.args)],
        "same": self.ctx.get_metadata(cache=True) is me and self.ctx.get_metadata(cache=False) is not me,
        "fleet": self.ctx.get_config().fleet,
        "broker": self.ctx.get_component("broker") is app.broker,
        "handler": self.ctx.generate_handler,
        "child": str(self.ctx.get_task(weighed.uuid).uuid),
        "options": [self.retry, self.priority, list(self.tags), self.description, self.max_time, self.vehicle],
    }


@app.task(echo=True, retry=2, priority=4, tags=["bike"], description="Cycles.", max_time=60.0, vehicle="bike")
async def cycle(self: AsyncTask, parcel: str):
    assert isinstance(self.ctx, AsyncContext)
    self.ctx.get_logger("courier.bikes").info("cycling %s", parcel)
    await self.ctx.sleep(0.001)
    weighed = await self.add_task(parcel, task_name="weigh", priority=1)
    me = await self.ctx.get_metadata(cache=True)
    return {
        "name": self.ctx.task_name,
        "uuid": str(self.ctx.task_uuid),
        "metadata": [str(me.uuid), me.task_name, list(me.args)],
        "same": await self.ctx.get_metadata(cache=True) is me and await self.ctx.get_metadata(cache=False) is not me,
        "fleet": self.ctx.get_config().fleet,
        "broker": self.ctx.get_component("broker") is app.broker,
        "handler": self.ctx.generate_handler,
        "child": str((await self.ctx.get_task(weighed.uuid)).uuid),
        "options": [self.retry, self.priority, list(self.tags), self.description, self.max_time, self.vehicle],
    }


@app.task(echo=True)
def cancelled(self):
    self.ctx.cancel("nobody at home")


@app.task(echo=True)
async def redirected(self):
    self.ctx.plugin_error(neighbour="no. 12")


if __name__ == "__main__":
    for task, words in [(drive, ["van", "Drives."]), (cycle, ["bike", "Cycles."])]:
        done = task.add_task("books", timeout=30.0)
        seen = done.returning
        assert done.status == "success", done.traceback
        assert (seen["name"], seen["uuid"]) == (done.task_name, str(done.uuid))
        assert seen["metadata"] == [str(done.uuid), done.task_name, ["books"]]
        assert (seen["same"], seen["fleet"], seen["broker"], seen["handler"]) == (True, "bicycles", True, None)
        assert seen["options"] == [2, 4, words[:1], words[1], 60.0, words[0]]
        child = app.get(UUID(seen["child"])).wait_result(timeout=30.0)
        assert (child.task_name, child.priority, child.returning) == ("weigh", 1, 5)

    missed = cancelled.add_task(timeout=30.0)
    assert (missed.status, missed.cancel_reason, missed.returning) == ("cancel", "nobody at home", None)
    assert redirected.add_task(timeout=30.0).returning == "left at no. 12"
