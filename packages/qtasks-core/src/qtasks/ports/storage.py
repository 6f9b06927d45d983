"""The contract of a storage: what became of tasks, for everybody who asks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from qtasks.message import Envelope, Outcome, Record, StreamItem, StreamSlice
from qtasks.ports.broker import Broker
from qtasks.ports.component import Component
from qtasks.ports.facts import TaskCounts, WorkerFacts
from qtasks.types import TaskStatus


class Storage(Component):
    """Keeps records, streams, counters and small shared values.

    Raises as `Broker` does, and repeating a call is safe in the same way.
    """

    @abstractmethod
    def shares(self, broker: Broker) -> bool:
        """True when `broker.finish` and `broker.publish` write to this storage in the same step.

        Then the core never calls `add` and `finish`.
        """

    @abstractmethod
    def reply_address(self) -> str | None:
        """Where results are pushed to the calling process; goes into `TaskMessage.reply_to`.

        None where the storage pushes without an address.
        """

    @abstractmethod
    async def add(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Store `new` records ahead of the publishing. Returns the ids as `Broker.publish` does."""

    @abstractmethod
    async def remove(self, ids: Sequence[str]) -> None:
        """Delete records, whatever their status; unknown ids are passed over."""

    @abstractmethod
    async def finish(self, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Store outcomes and stream values where broker and storage are split.

        The first terminal outcome of a task wins, whoever writes it; later ones are refused. A terminal
        outcome is stored also for an id that the storage does not know: a message that nobody here has
        published may end as a dead letter.

        Returns:
            the ids that were refused: they need only be acknowledged.
        """

    @abstractmethod
    async def get_many(self, ids: Sequence[str]) -> list[Record | None]:
        """The records of tasks, in order; None for the unknown or no longer kept."""

    @abstractmethod
    async def wait(self, task_id: str, timeout_s: float) -> Record | None:
        """Wait until a task has ended; pushed, not polled.

        Returns:
            its record; None when time is up, or when the task is unknown or no longer kept.
        """

    @abstractmethod
    async def read_stream(self, task_id: str, attempt: int, offset: int, wait_s: float) -> StreamSlice | None:
        """Read the values of a generator task.

        Args:
            task_id: which task.
            attempt: the attempt that the reader is at; a newer one is answered from its offset 0.
            offset: the first value wanted.
            wait_s: when there is none yet and the task goes on, wait for up to this many seconds.

        Returns:
            the slice; None when the task is unknown or no longer kept.
        """

    @abstractmethod
    async def find(
        self,
        *,
        status: TaskStatus | None = None,
        task: str | None = None,
        queue: str | None = None,
        limit: int = 100,
    ) -> list[Record]:
        """Records that fit all that is given, the newest first."""

    @abstractmethod
    async def link(self, parent: str, child: str) -> None:
        """Note that `child` replays `parent`: the one write that a terminal record allows."""

    @abstractmethod
    async def report(self, facts: WorkerFacts | None, counts: Mapping[str, TaskCounts]) -> None:
        """Store what a worker says of itself and add its counters; once per beat.

        Args:
            facts: replaces the worker's last report; forgotten after four silent beats. None when
                somebody else has counted, say the deaths of workers.
            counts: by task name; added to what is stored. The one call that is not safe to repeat.
        """

    @abstractmethod
    async def workers(self) -> list[WorkerFacts]:
        """The last report of every worker that still beats.

        Where the storage shares the server, `Broker.release` forgets the owner's report at once.
        """

    @abstractmethod
    async def counts(self) -> dict[str, TaskCounts]:
        """The counters by task name, since the storage was made."""

    @abstractmethod
    async def load_value(self, key: str) -> tuple[bytes | None, int]:
        """A shared value and its version; (None, 0) when there is none. For state and schedules."""

    @abstractmethod
    async def save_value(self, key: str, value: bytes | None, version: int, ttl_s: float | None = None) -> bool:
        """Store a shared value if its version is still the one that was loaded (compare and set).

        Args:
            key: which value.
            value: the new one; None deletes it.
            version: what `load_value` gave.
            ttl_s: forgotten after this many seconds; None is never.

        Returns:
            False when somebody else was faster: load again.
        """

    @abstractmethod
    async def find_values(self, prefix: str) -> dict[str, bytes]:
        """All shared values whose key begins with `prefix`."""
