"""What the claims are written with: a place, a clock that stands still, and a rig with its workers.

A test calls `rig.add()`, `rig.worker().take()` and the like as plain functions; whether an event loop or the
blocking view runs them (`faces.py`) is the rig's affair, so that every claim is made of both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

import attrs
import pytest
from qtasks.codec import decode_message, encode_message
from qtasks.errors import LeaseLostError, MalformedMessageError
from qtasks.message import WIRE_VERSION, Delivery, Envelope, ErrorInfo, Outcome, Record, StreamItem, TaskMessage, new_id
from qtasks.ports import BackendContext, Broker, GlobalConfig, QueueFacts, Storage
from qtasks.types import US_PER_S, Clock, TaskStatus

from qtasks_testkit.faces import FACES, PATIENCE_S, AsyncFace, BlockingFace


class Place(Protocol):
    """Where a backend keeps things for one test: every call connects anew, as another process would."""

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        """A broker and its storage, not yet open."""

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        """A global config, not yet open."""


NewPlace: TypeAlias = Callable[[], Place]
"""What a backend's tests provide: every call gives a new, empty place."""


@attrs.define
class UrlPlace:
    """A place behind a URL; every one of them is new and empty, also on a server that many share.

    Args:
        url: where.
        broker: the class of the broker.
        storage: the class of the storage; None for a broker that works beside somebody else's.
        global_config: the class of the global config; None where the backend has none.
        prefix: put before every namespace, to keep the places of one server apart.
    """

    url: str
    broker: type[Broker]
    storage: type[Storage] | None
    global_config: type[GlobalConfig] | None = None
    prefix: str = attrs.field(factory=new_id, kw_only=True)

    def _here(self, context: BackendContext) -> BackendContext:
        return attrs.evolve(context, namespace=f"{self.prefix}.{context.namespace}")

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        """A broker and its storage, not yet open."""
        here = self._here(context)
        storage = NO_STORAGE if self.storage is None else self.storage.from_url(self.url, here)
        return self.broker.from_url(self.url, here), storage

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        """A global config, not yet open."""
        if self.global_config is None:
            pytest.skip(f"{self.url} has no global config")
        return self.global_config.from_url(self.url, self._here(context))


class NoStorage:
    """Stands where a broker has no storage of its own: a claim that looks at records is skipped."""

    def blocking(self) -> NoStorage:
        """The same."""
        return self

    def reply_address(self) -> None:
        """Nobody is pushed results."""

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks for its own marks on what a module holds
            raise AttributeError(name)
        pytest.skip(f"the broker keeps no records: {name} is a call of the storage beside it")


NO_STORAGE: Any = NoStorage()
"""What `UrlPlace` gives a broker without a storage."""

NO_MESSAGE = Envelope(None, b"")  # type: ignore[arg-type]
"""What no producer makes: a batch that holds it must fail as a whole, with AttributeError."""


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
        """The time of day, microseconds."""
        return self._wall_us

    def monotonic_us(self) -> int:
        """The clock of leases, microseconds."""
        return self._monotonic_us

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._wall_us += round(seconds * US_PER_S)
        self._monotonic_us += round(seconds * US_PER_S)

    def set_wall_clock_forward(self, seconds: float) -> None:
        """Jump as a clock jumps that somebody sets."""
        self._wall_us += round(seconds * US_PER_S)


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
        """Take what is due."""
        return self.rig.broker.take(self.owner, queues, limit, wait_s, in_hand)

    def start_take(self, limit: int = 1, queues: Sequence[str] = ("default",)) -> Callable[[], list[Delivery]]:
        """Begin to wait for tasks; what is returned gives them."""
        return self.rig.broker.start("take", self.owner, queues, limit, PATIENCE_S)

    def start_listening(self, *known: str) -> Callable[[], dict[str, str]]:
        """Begin to wait for requests to cancel, beside those that are known; what is returned gives them."""
        require(self.rig.broker.component, "cancel")
        return self.rig.broker.start("cancel_requests", self.owner, known, PATIENCE_S)

    def finish(self, *outcomes: Outcome, items: Sequence[StreamItem] = ()) -> list[str]:
        """Write outcomes and values; names the refused."""
        return self.rig.broker.finish(self.owner, list(outcomes), list(items))

    def succeed(self, delivery: Delivery, **fields: Any) -> list[str]:
        """Finish with a success."""
        return self.finish(self.rig.outcome(delivery, **fields))

    def fail(self, delivery: Delivery, **fields: Any) -> list[str]:
        """Finish with an error."""
        return self.finish(self.rig.outcome(delivery, TaskStatus.ERROR, **fields))

    def retry(self, delivery: Delivery, **fields: Any) -> list[str]:
        """Finish an attempt that is to be repeated."""
        return self.finish(self.rig.outcome(delivery, TaskStatus.RETRY, **fields))

    def hand_back(self, delivery: Delivery, **fields: Any) -> list[str]:
        """Give a delivery back, uncounted."""
        return self.finish(self.rig.outcome(delivery, TaskStatus.NEW, **fields))

    def stream(self, delivery: Delivery, *values: bytes, offset: int = 0) -> list[str]:
        """Write values of a generator task, from an offset on."""
        items = [StreamItem(delivery, place, value) for place, value in enumerate(values, offset)]
        return self.finish(items=items)

    def leave(self) -> list[str]:
        """End the incarnation; what it has goes back."""
        return self.rig.broker.release(self.owner)

    def is_sent_away(self, wait_s: float = 0) -> bool:
        """Ask for a task; tell whether the answer is that the lease is lost."""
        try:
            self.take(wait_s=wait_s)
        except LeaseLostError:
            return True
        return False

    def die(self, note: str = "killed by signal 9") -> list[str]:
        """End the incarnation by a death that counts."""
        return self.rig.broker.release(self.owner, death=note)

    def beat(self) -> bool:
        """Renew the lease; tell whether it is confirmed."""
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
        self.face: Any = FACES[face]()
        self.context = BackendContext(clock=clock, **{"namespace": "conformance"} | options)
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

    def find_record(self, task_id: str) -> Record | None:
        """Read one record; None when the task is not known."""
        [record] = self.storage.get_many([task_id])
        return record

    def record(self, task_id: str) -> Record:
        """Read one record that must be there."""
        record = self.find_record(task_id)
        assert record is not None, f"there is no record of {task_id}"
        return record

    def status(self, task_id: str) -> TaskStatus | None:
        """Read one status; None when the task is not known."""
        record = self.find_record(task_id)
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
