"""What the tests of the SQLite backend share: components on a file, messages, and the blocking face as plain calls."""

from __future__ import annotations

import time

from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.storage import SqliteStorage
from qtasks.codec import encode_message
from qtasks.message import WIRE_VERSION, Outcome, TaskMessage, new_id
from qtasks.ports import BackendContext
from qtasks.types import TaskStatus


def drive(coroutine):
    """Run a coroutine of a blocking view to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it suspended")


def envelope(**fields):
    """A message for the queue `default`."""
    defaults = {"id": new_id(), "namespace": "QueueTasks", "queue": "default", "task": "t"}
    return encode_message(TaskMessage(v=WIRE_VERSION, enqueued=time.time_ns() // 1000, **defaults | fields))


def success(delivery, **fields):
    """The outcome of a delivery that went well."""
    return Outcome(delivery, TaskStatus.SUCCESS, **{"result": b"1", "keep_s": 3600} | fields)


class Blocking:
    """A broker and its storage, open, in the blocking view; its methods are plain calls."""

    def __init__(self, url, **context):
        self.context = BackendContext(**context)
        self.broker = SqliteBroker.from_url(url, self.context).blocking()
        self.storage = SqliteStorage.from_url(url, self.context).blocking()
        self.open()

    def __getattr__(self, name):
        component = self.broker if hasattr(self.broker, name) else self.storage
        return lambda *args, **kwargs: drive(getattr(component, name)(*args, **kwargs))

    def open(self):
        drive(self.broker.open())
        drive(self.storage.open())

    def close(self):
        drive(self.storage.close())
        drive(self.broker.close())

    def add(self, **fields):
        [task_id] = self.publish([envelope(**fields)])
        return task_id

    def take_all(self, owner, limit=100):
        return self.take(owner, ["default"], limit, 0)

    def worker(self, lease_s=15):
        owner = new_id()
        self.join(owner, "w", lease_s)
        return owner
