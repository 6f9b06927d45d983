"""The back office of a shop: the blocking face, what is said of tasks and of calls, and what is known of a call.

Worker: qtasks -A program:app run -p 2
"""

import os
from datetime import datetime
from uuid import UUID, uuid4

from qtasks import QueueTasks
from qtasks.configs import QueueConfig
from qtasks.enums import TaskStatusEnum
from qtasks.registries import SyncTask
from qtasks.results import SyncResult
from qtasks.schemas.task import Task
from qtasks.schemas.task_cls import SyncTaskCls
from qtasks.utils import SyncTaskUtils

app = QueueTasks(name="shop", broker_url=os.environ["QTASKS_URL"], config=QueueConfig(task_default_priority=10))


@app.task
def add(first: int, second: int):
    return first + second


@app.task()
def total(*prices: int, shipping: int = 0):
    return sum(prices) + shipping


@app.task(
    name="shop.invoice",
    priority=5,
    max_time=30,
    decode=str.upper,
    tags=["money"],
    description="Writes an invoice.",
    department="books",
)
def invoice(order: int, currency: str = "EUR"):
    return f"order {order} in {currency}"


def a_call_is_added_and_waited_for():
    task: Task = add.add_task(1, 2)
    assert isinstance(add, SyncTask)
    assert isinstance(task, (Task, SyncResult))
    assert isinstance(task.uuid, UUID)
    assert task.status == TaskStatusEnum.NEW == "new"
    done = task.wait_result(timeout=30.0)
    assert done.status == TaskStatusEnum.SUCCESS == "success"
    assert done.returning == 3


def everything_is_known_of_it():
    done = app.add_task("shop.invoice", 7, currency="USD", priority=1, timeout=30.0)
    assert (done.task_name, done.priority) == ("shop.invoice", 1)
    assert (list(done.args), done.kwargs) == ([7], {"currency": "USD"})
    assert isinstance(done.created_at, datetime)
    assert done.created_at <= done.updated_at
    assert done.returning == "ORDER 7 IN USD"
    assert (done.traceback, done.cancel_reason) == (None, None)
    assert (done.retry, done.retry_child_uuid, done.retry_parent_uuid) == (0, None, None)
    assert app.get(done.uuid).returning == done.returning
    assert app.get(str(done.uuid)).status == TaskStatusEnum.SUCCESS
    assert app.get(uuid4()) is None


def priorities_come_from_the_call_the_task_or_the_settings():
    assert invoice.add_task(8).priority == 5
    assert invoice.add_task(8, priority=2).priority == 2
    assert add.add_task(1, 1).priority == 10


def calls_are_prepared_and_chained():
    prepared = add(5, priority=3, timeout=30.0)
    assert isinstance(prepared, SyncTaskCls)
    assert prepared.bind(6).add_task().returning == 11
    tasks = SyncTaskUtils.chain(add(1, 2), add(10), total(100, shipping=1000)).get(timeout=50.0)
    assert [task.returning for task in tasks] == [3, 13, 1113]
    assert add.add_task(1, 2, 3, task_name="total", timeout=30.0).returning == 6


def mistakes_are_told():
    try:
        app.task(name="add")(max)
    except ValueError as error:
        assert "Task with name add is already registered!" in str(error)  # noqa: PT017 - a user's program
    else:
        raise AssertionError("two tasks of one name")
    assert app.add_task("shop.nobody_has_it", timeout=0.2) is None


if __name__ == "__main__":
    assert app.ping(server=True)
    assert (app.name, set(app.tasks.names())) == ("shop", {"add", "total", "shop.invoice"})
    a_call_is_added_and_waited_for()
    everything_is_known_of_it()
    priorities_come_from_the_call_the_task_or_the_settings()
    calls_are_prepared_and_chained()
    mistakes_are_told()
    last = add.add_task(0, 0, timeout=30.0)
    app.flush_all()
    assert app.get(last.uuid) is None
