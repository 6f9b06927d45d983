"""The contract of a broker: messages in, deliveries out, outcomes back, all in batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence

from qtasks.message import Delivery, Envelope, Outcome, StreamItem
from qtasks.ports.component import Capabilities, Component
from qtasks.ports.facts import CancelAnswer, QueueFacts


class Broker(Component):
    """Keeps messages until a worker has finished them.

    An *owner* is one incarnation of a worker: 32 hexadecimal digits, fresh at every start. It holds a
    lease; what it has taken is its own until it finishes it, gives it back, or loses the lease. A lease is
    stored, or it is the connection of the process that takes. Once it has expired, `take`, `finish` and
    `beat` refuse the owner, even while nobody has taken away yet what it had.

    `join`, `take`, `finish` and an owner's own `release` are called on one object, in one process. All
    other methods are called from any process, the `release` after a death among them.

    Every method raises `BackendError` when the backend fails, within the context's `call_timeout_s`, and has then
    either done all of the call or none of it, or cannot know: repeating the call is always safe.
    """

    capabilities: Capabilities = Capabilities()
    """What this broker does by itself. The parameters of its URL may change it, so ask the object, not its class."""

    @abstractmethod
    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Accept messages: when this returns, they survive the death of every process.

        One round trip for the batch; of each queue's messages all or none. A message whose id is known
        already is not added again, so a producer that got no answer may call again.

        Returns:
            the id under which each message is known, in order: its own, or that of the open task of its
            queue that has the same `unique` key.

        Raises:
            PublishError: a part was not accepted, and it is known which.
        """

    @abstractmethod
    async def join(self, owner: str, name: str, lease_s: float) -> None:
        """Begin an incarnation.

        Args:
            owner: the incarnation.
            name: the worker's name, for people.
            lease_s: how long the lease holds after `join` and after each confirmed `beat`, seconds.
        """

    @abstractmethod
    async def take(
        self,
        owner: str,
        queues: Sequence[str],
        limit: int,
        wait_s: float,
        in_hand: Collection[Delivery] | None = None,
    ) -> list[Delivery]:
        """Hand over up to `limit` tasks that are due, oldest of the lowest priority first.

        Queues share the limit in turn, so that a full one does not starve the others; paused ones are
        passed over. Tasks whose `expires` has passed end as `expired` and are not handed over; a broker beside
        somebody else's storage hands them over, and the worker ends them. A task that came back has kept its place,
        unless the server can only put it last.

        The call may be cancelled at any time. Its effect is then unknown, as after an error: the next call
        carries `in_hand`.

        Args:
            owner: who takes; it must have joined.
            queues: from which.
            limit: at most this many; with 0 the call only reconciles, and does not wait.
            wait_s: when there is nothing, wait for up to this many seconds for something. 0: at once.
            in_hand: after a call whose effect is unknown: the deliveries that the owner really has,
                compared by receipt and token. Whatever else it is said to own goes back, uncounted, in
                the same step.

        Returns:
            the deliveries; empty when time is up.

        Raises:
            LeaseLostError: the owner's lease is lost, or it never joined; also while the call waits.
        """

    @abstractmethod
    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Write what became of deliveries, in one step: fenced, stored, acknowledged, waiters woken.

        The fence is the owner's lease and the delivery's token: what the owner had before, and has been
        handed over again since, even to itself, is refused.

        Where the storage shares the server, results, histories and stream values are stored in the same
        step; elsewhere the core has stored them before. An outcome with status `retry` or `new` puts
        the message back.

        Returns:
            the ids of tasks whose outcome or values were refused because the owner does not own them any
            more. When a call is repeated, an outcome that the first one wrote may be among them.
        """

    @abstractmethod
    async def release(self, owner: str, *, death: str | None = None) -> list[str]:
        """End an incarnation: whatever it owns goes back to its queue at once, and its report is forgotten.

        Args:
            owner: which one.
            death: None for a hand-back, which counts for nothing. Otherwise a note of how the worker
                died: every task it owned has that death counted and becomes suspect; the third makes
                it `dead`, with the notes. A broker beside somebody else's storage has no record to write
                that into: it goes on handing the task over, with its `crashes`, and the worker ends it.

        Returns:
            the ids of the tasks that went back or ended. Where the lease is a connection, the server has put
            them back by itself when the process died: there are none then, and the death is not counted.
        """

    @abstractmethod
    async def beat(self, owners: Collection[str]) -> set[str]:
        """Renew leases, and do the housekeeping that any worker may do for all.

        Where the lease is a connection, its own process keeps it alive, and the owners are just confirmed.

        Housekeeping: tasks of owners whose lease has expired go back uncounted, records whose time is
        over are removed, tasks that expired while nobody took them are ended.

        Returns:
            the owners whose lease is confirmed. The others have lost theirs and must not go on.
        """

    @abstractmethod
    async def cancel(self, task_id: str, reason: str) -> CancelAnswer:
        """Cancel a task: at once while it waits, by request while it runs.

        A request survives that the task is put back: it then ends as cancelled, or its next owner is told.

        Returns:
            what came of it.
        """

    @abstractmethod
    async def cancel_requests(self, owner: str, known: Collection[str] = (), wait_s: float = 0.0) -> dict[str, str]:
        """The tasks of an owner that somebody asked to cancel: id -> reason.

        The call may be cancelled at any time.

        Args:
            owner: whose.
            known: the ids of those of which the owner was told before: they are left out.
            wait_s: when there is no other, wait for up to this many seconds for one; pushed, where the
                backend can push. 0: answer at once.

        Returns:
            the requests; empty when time is up. An owner whose lease is lost has none, and waits as long.
        """

    @abstractmethod
    async def set_paused(self, queue: str, paused: bool) -> None:
        """Pause a queue for all workers, or resume it. What runs goes on."""

    @abstractmethod
    async def inspect(self) -> list[QueueFacts]:
        """The facts of every queue of the namespace that was ever used, by name."""

    @abstractmethod
    async def purge(self, queue: str) -> int:
        """Remove every task that waits in a queue, with its record. Returns how many."""
