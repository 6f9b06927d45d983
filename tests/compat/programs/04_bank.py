"""A bank: retries, priorities, and every way for a task to end.

Worker: qtasks -A program:app run -p 2
"""

import os
import time
from pathlib import Path

from qtasks import QueueTasks
from qtasks.enums import TaskStatusEnum
from qtasks.exc import TaskCancelError, TaskPluginTriggerError
from qtasks.plugins.base import BasePlugin
from qtasks.plugins.retries import AsyncRetryPlugin, SyncRetryPlugin
from qtasks.schemas import TaskPrioritySchema
from qtasks.schemas.task_exec import TaskExecSchema
from qtasks.schemas.task_status import (
    TaskStatusCancelSchema,
    TaskStatusErrorSchema,
    TaskStatusNewSchema,
    TaskStatusProcessSchema,
    TaskStatusSuccessSchema,
)

app = QueueTasks("bank", os.environ["QTASKS_URL"])
app.add_plugin(AsyncRetryPlugin())
app.add_plugin(SyncRetryPlugin())


class Ledger(BasePlugin):
    """Keeps a book of what has run."""

    def trigger(self, name: str, **kwargs):
        task_func: TaskExecSchema = kwargs["task_func"]
        task_broker: TaskPrioritySchema = kwargs["task_broker"]
        assert task_func.name == task_broker.task_name
        told = [task_broker.uuid, task_broker.priority, *task_broker.args, *task_broker.kwargs.items()]
        with Path(f"book of {task_func.name}").open("a") as book:
            print(*told, task_broker.created_at.year > 2000, kwargs["model"].status, file=book)


app.add_plugin(Ledger(), trigger_names=["worker_execute_after"])


class BusyError(ConnectionError):
    """The other bank does not answer."""


def tries(name: str) -> int:
    """Count the runs of a task, over all processes."""
    with Path(f"tries of {name}").open("a+") as ledger:
        ledger.write("x")
        ledger.flush()
        return ledger.tell()


@app.task(retry=1, retry_on_exc=[ConnectionError])
def transfer(amount: int):
    if tries("transfer") == 1:
        raise BusyError("the other bank is closed")
    return amount


@app.task(retry=3, retry_on_exc=[ConnectionError])
async def mistaken():
    tries("mistaken")
    raise KeyError("account")


@app.task(retry=1)
async def hopeless():
    tries("hopeless")
    raise BusyError("closed for good")


@app.task(retry=5)
def refused():
    tries("refused")
    raise TaskCancelError("no money")


@app.task
def unanswered():
    raise TaskPluginTriggerError(form="B7")


@app.task(max_time=0.2, echo=True)
async def endless(self):
    await self.ctx.sleep(60)


@app.task
def door():
    Path("at the door").touch()
    while not Path("open the door").exists():
        time.sleep(0.005)


if __name__ == "__main__":
    waiting = [transfer.add_task(100), hopeless.add_task()]
    assert isinstance(app.add_task("bank.closed"), TaskStatusNewSchema)

    done = mistaken.add_task(timeout=30.0)
    assert (done.status, Path("tries of mistaken").read_text()) == ("error", "x")
    assert "KeyError: 'account'" in done.traceback

    done = refused.add_task(timeout=30.0)
    assert isinstance(done, TaskStatusCancelSchema)
    assert (done.status, done.cancel_reason) == (TaskStatusEnum.CANCEL, "no money")
    assert Path("tries of refused").read_text() == "x"

    done = unanswered.add_task(timeout=30.0)
    assert (done.status, "TaskPluginTriggerError" in done.traceback) == (TaskStatusEnum.ERROR, True)

    done = endless.add_task(timeout=30.0)
    assert done.status == TaskStatusEnum.ERROR
    assert "Time limit exceeded for task endless: 0.2 seconds" in done.traceback

    running = door.add_task()
    while not Path("at the door").exists():
        time.sleep(0.005)
    assert isinstance(app.get(running.uuid), TaskStatusProcessSchema)
    assert app.get(running.uuid).status == TaskStatusEnum.PROCESS
    Path("open the door").touch()
    assert running.wait_result(timeout=30.0).status == TaskStatusEnum.SUCCESS

    transferred, failed = [task.wait_result(timeout=30.0) for task in waiting]
    assert isinstance(transferred, TaskStatusSuccessSchema)
    assert (transferred.returning, transferred.uuid) == (100, waiting[0].uuid)
    assert isinstance(failed, TaskStatusErrorSchema)
    assert (failed.status, failed.retry, Path("tries of hopeless").read_text()) == (TaskStatusEnum.ERROR, 0, "xx")
    book = [f"{transferred.uuid} 0 100 True {status}" for status in ("retry", "success")]
    while not Path("book of transfer").read_text().endswith("success\n"):  # it is written after the result
        time.sleep(0.005)
    assert Path("book of transfer").read_text().splitlines() == book
    for task in (transferred, failed):
        assert (task.retry_child_uuid, task.retry_parent_uuid) == (None, None)
    known = ["new", "process", "retry", "success", "error", "cancel", "dead", "expired"]
    assert {status.value for status in TaskStatusEnum} == set(known)
