"""A worker that does what the test says, step by step, and messages that no producer would write."""

from qtasks.message import Delivery, Envelope, ErrorInfo, Outcome, TaskMessage, new_id
from qtasks.ports import TaskCounts, WorkerFacts
from qtasks.types import TaskStatus


def do(app, make):
    """Run a call over the blocking link of an application."""
    return app.runtime.run_blocking(make)


class HandWorker:
    """Takes, finishes and dies on command.

    Args:
        app: whose tasks it takes.
        queues: from where.
    """

    def __init__(self, app, *queues):
        self.app = app
        self.owner = new_id()
        self.queues = queues or ("default",)
        do(app, lambda link: link.broker.join(self.owner, "hand", 60))

    def take(self, limit=1, wait_s=0):
        return do(self.app, lambda link: link.broker.take(self.owner, self.queues, limit, wait_s))

    def finish(self, delivery: Delivery, status: TaskStatus, **fields):
        """Write an outcome of a run that took 250 ms."""
        now = self.app.runtime.clock.wall_us()
        fields = {"started": now - 250_000, "finished": now, "keep_s": 60, "worker": "hand", **fields}
        outcome = Outcome(delivery, status, **fields)
        assert do(self.app, lambda link: link.broker.finish(self.owner, [outcome])) == []

    def die(self, note="signal 9"):
        do(self.app, lambda link: link.broker.release(self.owner, death=note))

    def report(self, counts=None, **fields):
        """Say something of itself, and of the tasks that it counted."""
        now = self.app.runtime.clock.wall_us()
        known = {"name": "hand", "host": "here", "pid": 4711, "version": "0.1.0", "slots": 2}
        known |= {"started": now - 90_000_000, "beat": now - 1_000_000, "queues": list(self.queues)}
        facts = WorkerFacts(owner=self.owner, **{**known, **fields})
        do(self.app, lambda link: link.storage.report(facts, counts or {}))


def bury(app, *names, error="WorkerDied", text="three times"):
    """Let a task of each name end in the dead letters; returns their ids, in order."""
    tasks = [app.add_task(name, number) for number, name in enumerate(names)]
    worker = HandWorker(app)
    for delivery in worker.take(len(tasks)):
        worker.finish(delivery, TaskStatus.DEAD, started=0, error=ErrorInfo(error, text))
    return [task.id for task in tasks]


def bury_garbage(app):
    """Let something that is no message end in the dead letters; returns its id."""
    message = TaskMessage(1, new_id(), app.name, "default", "unreadable")
    do(app, lambda link: link.broker.publish([Envelope(message, b"\x00\x1b[31m")]))
    worker = HandWorker(app)
    [delivery] = worker.take()
    worker.finish(delivery, TaskStatus.DEAD, started=0, error=ErrorInfo("malformed", "not an envelope"))
    return message.id


def counts_of(runs_us=(), waits_us=(), **fields):
    """Counters with these runs and waits in their histograms."""
    counts = TaskCounts(**fields)
    for values, histogram in ((runs_us, counts.run_us), (waits_us, counts.wait_us)):
        for value in values:
            histogram[value.bit_length()] += 1
    return counts
