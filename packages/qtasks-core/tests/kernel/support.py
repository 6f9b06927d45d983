"""What tests of the kernel are written with: waiting for a condition, and a broker that can be made to fail."""

import asyncio
import threading
import time

from qtasks import QueueConfig, QueueTasks, hookimpl
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import LoopSleeper, Store, ThreadSleeper
from qtasks.errors import BackendUnavailableError
from qtasks.message import new_id
from qtasks.ports import BackendContext

PATIENCE_S = 20.0
"""How long a test waits for what should come at once, before it fails."""


def wait_until(condition, what):
    """Return the first true answer of a condition; fail when there is none in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"in {PATIENCE_S:g} s it did not come about that {what}"
        time.sleep(0.002)
    return answer


class Plugin:
    """Carries implementations of hooks that a test has put on it."""


def plugin_with(hook, implementation):
    """A plugin with one implementation, called with all keywords of the hook."""
    plugin = Plugin()
    setattr(plugin, hook, hookimpl(implementation))
    return plugin


class Gate:
    """Where a task waits until the test opens it, or gives up when the test has failed."""

    def __init__(self):
        self.reached = threading.Event()
        self._open = threading.Event()

    def open(self):
        self._open.set()

    def pass_through(self):
        """Called by the task."""
        self.reached.set()
        assert self._open.wait(PATIENCE_S), "nobody opened the gate"

    def wait_reached(self):
        """Called by the test: a task stands before the gate."""
        assert self.reached.wait(PATIENCE_S), "nobody came to the gate"


class Trouble:
    """What a `TroubledBroker` does wrong: by method, the errors that its next calls raise.

    Attributes:
        before: raised in the place of the call: the broker never heard of it.
        after: raised after the call was done: its reply was lost.
        gates: where the next call of a method of the worker's waits, after it was sent and before it is done.
        calls: how often each method was called.
    """

    def __init__(self):
        self.before = {}
        self.after = {}
        self.gates = {}
        self.calls = {}

    def refuse(self, method, times=1, error=BackendUnavailableError):
        """Let the next calls of a method fail without effect."""
        self.before[method] = [error("made up by the test")] * times

    def lose_reply(self, method, times=1):
        """Let the next calls of a method fail although they are done."""
        self.after[method] = [BackendUnavailableError("the reply was lost by the test")] * times

    def over(self, method):
        """Tell whether a method has raised all that it was to raise."""
        return not self.before.get(method) and not self.after.get(method)


class TroubledBroker(MemoryBroker):
    """A broker in memory that fails on demand."""

    def __init__(self, store, name="test", sleeper=LoopSleeper, trouble=None):
        super().__init__(store, name, sleeper)
        self.trouble = trouble or Trouble()

    def blocking(self):
        return type(self)(self.store, self._name, ThreadSleeper, self.trouble)

    async def _call(self, method, *args, **options):
        trouble = self.trouble
        trouble.calls[method] = trouble.calls.get(method, 0) + 1
        if trouble.before.get(method):
            raise trouble.before[method].pop()
        if gate := trouble.gates.pop(method, None):
            await asyncio.to_thread(gate.pass_through)
        answer = await getattr(super(), method)(*args, **options)
        if trouble.after.get(method):
            raise trouble.after[method].pop()
        return answer

    async def publish(self, envelopes):
        return await self._call("publish", envelopes)

    async def join(self, owner, name, lease_s):
        return await self._call("join", owner, name, lease_s)

    async def take(self, owner, queues, limit, wait_s, in_hand=None):
        return await self._call("take", owner, queues, limit, wait_s, in_hand)

    async def finish(self, owner, outcomes, items=()):
        return await self._call("finish", owner, outcomes, items)

    async def beat(self, owners):
        return await self._call("beat", owners)

    async def release(self, owner, *, death=None):
        return await self._call("release", owner, death=death)

    async def cancel_requests(self, owner, known=(), wait_s=0.0):
        return await self._call("cancel_requests", owner, known, wait_s)


def new_store():
    """An empty queue in memory, under the name of the applications here."""
    return Store(BackendContext(namespace="kernel"))


SHORT_S = 0.3
"""A lease: short enough to be lost within a test, long enough for three beats."""


def short_lease_app():
    """A `troubled_app` whose worker soon loses its lease when beats fail."""
    return troubled_app(QueueConfig(lease=SHORT_S))


def troubled_app(config=None):
    """An application over a `TroubledBroker`; returns it and its trouble."""
    store = new_store()
    broker = TroubledBroker(store)
    app = QueueTasks(
        "kernel",
        broker=broker,
        storage=MemoryStorage(store, "test"),
        global_config=MemoryGlobalConfig(store, "test"),
        config=config,
    )
    return app, broker.trouble


def broker_of(app):
    """The broker's methods as plain functions."""

    class Driven:
        def __getattr__(self, name):
            return lambda *args, **kw: app.runtime.run_blocking(lambda link: getattr(link.broker, name)(*args, **kw))

    return Driven()


def queue_of(app):
    (facts,) = broker_of(app).inspect()
    return facts


def kill_owner_of(app, task):
    """Have a task taken by a worker that dies; the queue is paused until then."""

    async def die(link):
        owner = new_id()
        await link.broker.join(owner, "victim", 15)
        await link.broker.set_paused("default", False)
        (delivery,) = await link.broker.take(owner, ["default"], 1, 0)
        assert delivery.id == task.id
        await link.broker.release(owner, death="killed by signal 9")

    app.runtime.run_blocking(die)
