"""A theatre: workers in the program's own process, events, and everything that a plugin is told of.

Worker: none, the program runs its own
"""

import asyncio
import os
import threading
import time

from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.configs import QueueConfig
from qtasks.events import AsyncEvents, SyncEvents
from qtasks.exc import TaskCancelError
from qtasks.logs import Logger
from qtasks.plugins.base import BasePlugin
from qtasks.starters import AsyncStarter, SyncStarter
from qtasks.starters.base import BaseStarter
from qtasks.stats import SyncStats
from qtasks.workers import AsyncWorker, SyncThreadWorker
from qtasks.workers.base import BaseWorker

url = os.environ["QTASKS_URL"]

# One evening: every event, in order.

heard = []
events = SyncEvents()
app = QueueTasks(
    name="theatre",
    broker_url=url,
    worker=SyncThreadWorker,
    log=Logger(name="theatre"),
    config=QueueConfig(max_tasks_process=1, lease=3),
    events=events,
)


def hear(name):
    def listener(**_):
        heard.append(name)

    getattr(events.on, name)(listener)


for name in ("starting", "worker_running", "task_success", "task_error", "task_cancel", "worker_stopping", "stopping"):
    hear(name)


@app.events.on.task_running
def curtain_up(task_func, task_broker, worker: BaseWorker):
    heard.append(f"{task_func.name}{list(task_broker.args)} up")


@app.events.on.task_stopping()
async def curtain_down(task_func, **_):
    heard.append(f"{task_func.name} down")


class Prompter(BasePlugin):
    """Is told of everything."""

    seen: set[str] = set()  # noqa: RUF012 - a user's program

    def trigger(self, name: str, **kwargs):
        self.seen.add(name)


class Doorman(Prompter):
    """Is told of starts and stops."""

    seen: set[str] = set()  # noqa: RUF012 - likewise


app.add_plugin(Prompter(name="prompter"))
app.add_plugin(Doorman(), trigger_names=["-"], component="worker")


@app.task(middlewares_before=[lambda executor: None])
def play(act: int):
    return act


@app.task(retry=1, retry_delay=0)
def rehearse():
    raise RuntimeError("forgot the text")


@app.task
def closed():
    raise TaskCancelError("fire")


@app.task
def scenes():
    yield 1


@app.task(echo=True)
async def settings(self):
    found = self.ctx.get_component("global_config")
    await found.set("theatre", "seats", 300)
    return [await found.get("theatre", "seats"), await found.get_all("theatre"), await found.get_match("theatre", "s*")]


def open_the_house():
    app.run_forever(loop=None, starter=SyncStarter, num_workers=4, reset_config=True)


def one_evening():
    late, early = play.add_task(2, priority=2), play.add_task(1, priority=1)
    others = [task.add_task(priority=3) for task in (rehearse, closed, scenes, settings)]
    evening = threading.Thread(target=open_the_house)
    evening.start()
    late, *others = [task.wait_result(timeout=30.0) for task in (late, *others)]
    assert (late.returning, app.get(early.uuid).returning) == (2, 1)
    assert [task.status for task in others] == ["error", "cancel", "success", "success"]
    assert others[-1].returning == [300, {"seats": 300}, {"seats": 300}]
    assert isinstance(app.starter, BaseStarter)
    assert isinstance(app.worker, BaseWorker)
    SyncStats(app).inspect().app()
    assert app.ping()
    while WITH_EACH_BEAT - Prompter.seen:
        time.sleep(0.01)
    app.stop()
    evening.join(30.0)
    app.flush_all()

    assert [what for what in heard if what.startswith("play")] == ["play[1] up", "play down", "play[2] up", "play down"]
    assert (heard[:2], heard[-2:]) == (["starting", "worker_running"], ["worker_stopping", "stopping"])
    ends = [what for what in heard if what.startswith("task_")]
    assert sorted(ends) == ["task_cancel", "task_error", *["task_success"] * 4]


TOLD = """
qtasks_add_task_before_broker qtasks_add_task_after_broker qtasks_get qtasks_stop qtasks_ping qtasks_flush_all
broker_get broker_add_before broker_add_after broker_update broker_listen_start broker_start broker_stop
broker_flush_all broker_add_worker broker_remove_finished_task storage_add storage_get storage_get_all storage_update
storage_remove_finished_task storage_add_process storage_delete_finished_tasks storage_flush_all storage_start
storage_stop global_config_set global_config_get global_config_get_all global_config_get_match global_config_start
global_config_stop global_config_set_status worker_add worker_run_task_before worker_execute_before
worker_execute_after worker_task_error_retry worker_remove_finished_task worker_start worker_stop
task_executor_args_replace task_executor_before_execute task_executor_after_execute task_executor_middlewares_execute
task_executor_run_task task_executor_run_task_gen task_executor_run_task_trigger_error
task_executor_after_execute_result_replace task_executor_decode task_executor_task_close starter_start starter_stop
stats_inspect
"""
WITH_EACH_BEAT = {"storage_delete_finished_tasks", "global_config_set_status"}
AFTER_A_CRASH = {"broker_running_older_tasks", "storage_running_older_tasks"}

# The studio: the same in the awaitable face.

studio = AsyncQueueTasks("studio", url, worker=AsyncWorker, events=AsyncEvents())
on_air = []
studio.events.on.task_success(lambda model: on_air.append(model.status))


@studio.task
async def jingle():
    return "la"


async def one_show():
    done = await jingle.add_task(timeout=30.0)
    assert done.returning == "la"
    await studio.stop()
    on_air.append("off")


if __name__ == "__main__":
    one_evening()
    not_told = set(TOLD.split()) - Prompter.seen
    assert not not_told, not_told
    assert AFTER_A_CRASH.isdisjoint(Prompter.seen)
    assert Doorman.seen == {"worker_start", "worker_stop"}

    show = threading.Thread(target=asyncio.run, args=(one_show(),))
    show.start()
    studio.run_forever(starter=AsyncStarter)
    show.join(30.0)
    assert sorted(on_air) == ["off", "success"]
