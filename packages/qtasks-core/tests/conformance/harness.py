"""What the claims are written with: a clock that stands still, two ways to drive coroutines, and a rig.

A test calls `rig.add()`, `rig.worker().take()` and the like as plain functions; whether an event loop or the
blocking view runs them is the rig's affair, so that every claim is made of both.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeAlias

import attrs
import pytest
from qtasks.codec import decode_message, encode_message
from qtasks.errors import LeaseLostError, MalformedMessageError
from qtasks.message import WIRE_VERSION, Delivery, Envelope, ErrorInfo, Outcome, Record, StreamItem, TaskMessage, new_id
from qtasks.ports import BackendContext, Broker, Component, GlobalConfig, QueueFacts, Storage
from qtasks.types import SYSTEM_CLOCK, US_PER_S, Clock, TaskStatus

PATIENCE_S = 20.0
"""How long tests ask to wait for what must come at once."""

AT_ONCE_S = 8.0
"""A call that took longer has let a wait run out: it fails."""


class Place(Protocol):
    """Where a backend keeps things for one test: every call connects anew, as another process would."""

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        """A broker and its storage, not yet open."""

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        """A global config, not yet open."""


NewPlace: TypeAlias = Callable[[], Place]
"""What a backend's tests provide: every call gives a new, empty place."""


def require(broker: Broker, capability: str) -> None:
    """Skip a test that asks for what the broker does not declare."""
    if getattr(broker.capabilities, capability) in {False, "none"}:
        pytest.skip(f"{type(broker).__name__} does not declare {capability!r}")


class FrozenClock:
    """Both clocks, moved by nobody but the test."""

    def __init__(self) -> None:
        self._wall_us = 1_800_000_000 * US_PER_S
        self._monotonic_us = 1_000 * US_PER_S

    def wall_us(self) -> int:
        return self._wall_us

    def monotonic_us(self) -> int:
        return self._monotonic_us

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._wall_us += round(seconds * US_PER_S)
        self._monotonic_us += round(seconds * US_PER_S)

    def set_wall_clock_forward(self, seconds: float) -> None:
        """Jump as a clock jumps that somebody sets."""
        self._wall_us += round(seconds * US_PER_S)


@contextmanager
def at_once(limit_s: float = AT_ONCE_S) -> Iterator[None]:
    """Fail when the block takes long enough for a wait to have run out."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit_s, "what must come at once was waited for"


class AsyncFace:
    """Drives coroutines with an event loop."""

    name = "async"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def view(self, component: Any) -> Any:
        return component

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        with at_once():
            return self._runner.run(coroutine)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
        """Begin a call that waits; what is returned gives its result."""
        task = self._runner.get_loop().create_task(coroutine)
        self._runner.run(asyncio.sleep(0))

        async def join() -> Any:
            return await task

        return lambda: self.call(join())

    def interrupt(self, coroutine: Coroutine[Any, Any, Any], steps: int) -> None:
        """Begin a call that waits, and cancel it after so many steps of the loop."""

        async def interrupt() -> None:
            task = asyncio.ensure_future(coroutine)
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        self._runner.run(interrupt())

    def close(self) -> None:
        self._runner.close()


class BlockingFace:
    """Drives the coroutines of blocking views: each runs to its end in one step."""

    name = "blocking"

    def view(self, component: Component) -> Any:
        view = component.blocking()
        if view is None:
            pytest.skip(f"{type(component).__name__} has no blocking view")
        return view

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            with at_once():
                coroutine.send(None)
        except StopIteration as end:
            return end.value
        coroutine.close()
        raise AssertionError(f"{coroutine.__qualname__} suspended in the blocking view")

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
        """Begin a call that waits, in a thread; what is returned gives its result."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(self.call(coroutine))
            except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return lambda: future.result(PATIENCE_S)

    def close(self) -> None:
        """Nothing to free."""


FACES: dict[str, type[AsyncFace | BlockingFace]] = {"async": AsyncFace, "blocking": BlockingFace}


NEEDED = {"cancel": "cancel", "cancel_requests": "cancel", "set_paused": "pause", "inspect": "inspect"}
"""Methods of brokers that need a declared capability."""


class Driven:
    """A component whose coroutines are driven to their ends, so that it is called like plain functions."""

    def __init__(self, component: Any, face: AsyncFace | BlockingFace) -> None:
        self.component = component
        self._face = face

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in NEEDED:
            require(self.component, NEEDED[name])
        method = getattr(self.component, name)
        return lambda *args, **options: self._face.call(method(*args, **options))

    def start(self, name: str, *args: Any, **options: Any) -> Callable[[], Any]:
        """Begin a call that waits; what is returned gives its result."""
        return self._face.start(getattr(self.component, name)(*args, **options))


@attrs.define(eq=False)
class Worker:
    """One incarnation, with short words for what it does."""

    owner: str
    rig: Rig

    def take(
        self,
        limit: int = 1,
        queues: Sequence[str] = ("default",),
        wait_s: float = 0,
        in_hand: Collection[Delivery] | None = None,
    ) -> list[Delivery]:
        return self.rig.broker.take(self.owner, queues, limit, wait_s, in_hand)

    def start_take(self, limit: int = 1, queues: Sequence[str] = ("default",)) -> Callable[[], list[Delivery]]:
        return self.rig.broker.start("take", self.owner, queues, limit, PATIENCE_S)

    def finish(self, *outcomes: Outcome, items: Sequence[StreamItem] = ()) -> list[str]:
        return self.rig.broker.finish(self.owner, list(outcomes), list(items))

    def succeed(self, delivery: Delivery, **fields: Any) -> list[str]:
        return self.finish(self.rig.outcome(delivery, **fields))

    def fail(self, delivery: Delivery, **fields: Any) -> list[str]:
        return self.finish(self.rig.outcome(delivery, TaskStatus.ERROR, **fields))

    def retry(self, delivery: Delivery, **fields: Any) -> list[str]:
        return self.finish(self.rig.outcome(delivery, TaskStatus.RETRY, **fields))

    def hand_back(self, delivery: Delivery, **fields: Any) -> list[str]:
        return self.finish(self.rig.outcome(delivery, TaskStatus.NEW, **fields))

    def stream(self, delivery: Delivery, *values: bytes, offset: int = 0) -> list[str]:
        items = [StreamItem(delivery, place, value) for place, value in enumerate(values, offset)]
        return self.finish(items=items)

    def leave(self) -> int:
        return self.rig.broker.release(self.owner)

    def is_sent_away(self, wait_s: float = 0) -> bool:
        """Ask for a task; tell whether the answer is that the lease is lost."""
        try:
            self.take(wait_s=wait_s)
        except LeaseLostError:
            return True
        return False

    def die(self, note: str = "killed by signal 9") -> int:
        return self.rig.broker.release(self.owner, death=note)

    def beat(self) -> bool:
        return self.rig.broker.beat([self.owner]) == {self.owner}


class Rig:
    """A broker and its storage, open, driven through one face.

    Args:
        place: where they keep things.
        face: "async" or "blocking".
        clock: the clocks they are given.
        options: fields of `BackendContext`.
    """

    def __init__(self, place: Place, face: str, clock: Clock, **options: Any) -> None:
        self.clock: Any = clock
        self.face = FACES[face]()
        self.context = BackendContext(**{"clock": clock, "namespace": "conformance"} | options)
        broker, storage = place.connect(self.context)
        self.capabilities = broker.capabilities
        self.broker = Driven(self.face.view(broker), self.face)
        self.storage = Driven(self.face.view(storage), self.face)
        self.broker.open()
        self.storage.open()

    def close(self) -> None:
        """Close what was opened."""
        self.storage.close()
        self.broker.close()
        self.face.close()

    def envelope(self, task: str = "t", payload: bytes | None = None, **fields: Any) -> Envelope:
        """Make a message, accepted now; a payload in place of its own bytes.

        `due_in_s` and `expires_in_s` count from now.
        """
        now = self.clock.wall_us()
        defaults = {
            "id": new_id(),
            "namespace": self.context.namespace,
            "queue": "default",
            "enqueued": now,
            "reply_to": self.storage.component.reply_address(),
        }
        for name in ("due", "expires"):
            if in_s := fields.pop(f"{name}_in_s", None):
                fields[name] = now + round(in_s * US_PER_S)
        for name, capability in (("due", "delay"), ("unique", "unique"), ("priority", "priority")):
            if fields.get(name):
                require(self.broker.component, capability)
        envelope = encode_message(TaskMessage(v=WIRE_VERSION, task=task, **defaults | fields))
        return envelope if payload is None else Envelope(envelope.message, payload)

    def add(self, task: str = "t", **fields: Any) -> str:
        """Publish one message."""
        [task_id] = self.broker.publish([self.envelope(task, **fields)])
        return task_id

    def add_many(self, count: int, **fields: Any) -> list[str]:
        """Publish so many messages in one batch."""
        return self.broker.publish([self.envelope(**fields) for _ in range(count)])

    def worker(self, lease_s: float = 15, name: str = "w") -> Worker:
        """Begin an incarnation."""
        owner = new_id()
        self.broker.join(owner, name, lease_s)
        return Worker(owner, self)

    def outcome(self, delivery: Delivery, status: TaskStatus = TaskStatus.SUCCESS, **fields: Any) -> Outcome:
        """Say what became of a delivery: by default a success with result `1`, kept for an hour."""
        if fields.get("due"):
            require(self.broker.component, "delay")
        now = self.clock.wall_us()
        defaults: dict[str, Any] = {"started": now, "finished": now, "keep_s": 3600, "worker": "w"}
        if status is TaskStatus.SUCCESS:
            defaults["result"] = b"1"
        elif status is not TaskStatus.NEW:
            defaults["error"] = ErrorInfo("ValueError", "no")
        with suppress(MalformedMessageError):
            defaults["reply_to"] = decode_message(delivery.payload).reply_to
        return Outcome(delivery, status, **defaults | fields)

    def record(self, task_id: str) -> Record | None:
        """Read one record."""
        [record] = self.storage.get_many([task_id])
        return record

    def status(self, task_id: str) -> TaskStatus | None:
        """Read one status; None when the task is not known."""
        record = self.record(task_id)
        return record.status if record else None

    def queue(self, name: str = "default") -> QueueFacts:
        """Look at one queue."""
        [facts] = [facts for facts in self.broker.inspect() if facts.name == name]
        return facts

    def clean_up(self) -> None:
        """Let a worker come by, beat once with the housekeeping that belongs to it, and go."""
        passer_by = self.worker()
        passer_by.beat()
        passer_by.leave()


OpenRig: TypeAlias = Callable[..., Rig]


class Conformance:
    """The base of all suites: a subclass provides `new_place`."""

    @pytest.fixture
    def new_place(self) -> NewPlace:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `new_place` that returns a NewPlace")

    @pytest.fixture
    def place(self, new_place: NewPlace) -> Place:
        return new_place()

    @pytest.fixture
    def clock(self) -> FrozenClock:
        return FrozenClock()

    @pytest.fixture(params=list(FACES))
    def face(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def open_rig(self, place: Place, face: str, clock: FrozenClock) -> Iterator[OpenRig]:
        """Open another rig at the same place: another process, another namespace, another face."""
        rigs: list[Rig] = []

        def open_(face: str = face, clock: Clock = clock, **options: Any) -> Rig:
            rigs.append(Rig(place, face, clock, **options))
            return rigs[-1]

        yield open_
        for rig in reversed(rigs):
            rig.close()

    @pytest.fixture
    def rig(self, open_rig: OpenRig) -> Rig:
        return open_rig()

    @pytest.fixture
    def live_rig(self, open_rig: OpenRig) -> Rig:
        """A rig under the machine's own clocks."""
        return open_rig(clock=SYSTEM_CLOCK)
