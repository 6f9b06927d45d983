"""The directory and its moves, as plain blocking functions; `broker.py` is the contract around them.

    waiting/QUEUE/NAME          a task that waits; NAME is told by `entry.py`, the content is the message
    owners/OWNER/lease          until when a worker's lease holds
    owners/OWNER/tasks/NAME     a task that it owns
    gone/HOW-ID/tasks/NAME      what an owner had that is gone, on its way back
    ids/ID                      a task that is known
    paused/QUEUE                a queue that is paused
    counts/QUEUE.WHAT           a byte for each task that was `enqueued` or `finished`
    new/ID                      a file that is being written

A rename is one step, also between processes, and a file can be renamed away only once: this alone keeps two workers
from getting one task, and an owner that lost its lease from finishing what somebody else has. There is no lock.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
from qtasks.errors import LeaseLostError
from qtasks.message import Delivery, Envelope, Outcome, StreamItem, new_id
from qtasks.ports import QueueFacts
from qtasks.types import US_PER_S, Clock, TaskStatus

from qtasks_dirqueue.entry import Entry

FOLDERS = ("waiting", "owners", "gone", "ids", "paused", "counts", "new")


class Spool:
    """One namespace in a directory.

    Args:
        path: the directory.
        clock: tells what is due, and until when leases hold.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._numbers = itertools.count()
        self._turn = 0

    def create(self) -> None:
        """Make the folders that are missing, for nobody but their owner."""
        for folder in FOLDERS:
            (self.path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    # Producers.

    def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Write all messages, then let them wait, one rename each. What is known already is left as it is."""
        entries = [self._new_entry(envelope) for envelope in envelopes]
        files: list[Path] = []
        try:
            files.extend(self._write(envelope.payload) for envelope in envelopes)
            for entry, file in zip(entries, files, strict=True):
                known = self.path / "ids" / entry.id
                if not known.exists():
                    self._wait(file, entry)
                    known.touch()  # after the move: who dies between them may add it twice, and loses nothing
                    self._count(entry.queue, "enqueued")
        finally:
            for file in files:
                file.unlink(missing_ok=True)  # what did not move
        return [entry.id for entry in entries]

    def _new_entry(self, envelope: Envelope) -> Entry:
        message = envelope.message
        order = self._clock.wall_us() * 10**6 + next(self._numbers) % 10**6
        return Entry(message.priority, order, message.due, message.id, message.attempt, 0, 0, False, message.queue)

    def _write(self, content: bytes) -> Path:
        file = self.path / "new" / new_id()
        file.write_bytes(content)
        return file

    def _wait(self, file: Path, entry: Entry) -> None:
        folder = self.path / "waiting" / entry.queue
        folder.mkdir(exist_ok=True)
        file.rename(folder / entry.name)

    def _count(self, queue: str, what: str) -> None:
        with (self.path / "counts" / f"{queue}.{what}").open("ab") as file:
            file.write(b".")

    # Owners.

    def join(self, owner: str, lease_s: float) -> None:
        """Begin an incarnation, or go on with it; what a lapsed one had goes back first."""
        lease = round(lease_s * US_PER_S)
        if self.holds(owner) and self._renew(owner, lease):
            return
        self._end(owner, "lost")
        home = self.path / "new" / new_id()  # complete before anybody sees it: without its lease it would be lost
        (home / "tasks").mkdir(parents=True)
        (home / "lease").write_bytes(self._term(lease))
        home.rename(self.path / "owners" / owner)

    def _tasks(self, owner: str) -> Path:
        return self.path / "owners" / owner / "tasks"

    def _lease(self, owner: str) -> tuple[int, int]:
        """Until when an owner's lease holds, on the clock that never jumps, and how long it is; (0, 0) for none."""
        try:
            until, lease = (self.path / "owners" / owner / "lease").read_text().split()
        except FileNotFoundError:
            return 0, 0
        return int(until), int(lease)

    def _term(self, lease: int) -> bytes:
        return b"%d %d" % (self._clock.monotonic_us() + lease, lease)

    def _renew(self, owner: str, lease: int) -> bool:
        file = self._write(self._term(lease))
        try:
            file.rename(self.path / "owners" / owner / "lease")
        except FileNotFoundError:  # somebody else has ended it meanwhile
            file.unlink()
            return False
        return True

    def holds(self, owner: str) -> bool:
        """True while an owner's lease holds. One that ends later than it is long is from before a reboot."""
        until, lease = self._lease(owner)
        return 0 < until - self._clock.monotonic_us() <= lease

    def beat(self, owners: Collection[str]) -> set[str]:
        """Renew the leases that still hold; take away what lapsed owners have."""
        confirmed = {owner for owner in owners if self.holds(owner) and self._renew(owner, self._lease(owner)[1])}
        for folder in (self.path / "owners").iterdir():
            if not self.holds(folder.name):
                self._end(folder.name, "lost")
        for grave in (self.path / "gone").iterdir():  # whoever began with it may have died
            self._bring_back(grave)
        return confirmed

    def release(self, owner: str, *, died: bool) -> list[str]:
        """End an incarnation; what it had waits again."""
        return self._end(owner, "died" if died else "left")

    def _end(self, owner: str, how: str) -> list[str]:
        grave = self.path / "gone" / f"{how}-{new_id()}"
        try:
            (self.path / "owners" / owner).rename(grave)
        except FileNotFoundError:
            return []
        return self._bring_back(grave)

    def _bring_back(self, grave: Path) -> list[str]:
        how, tasks = grave.name.partition("-")[0], grave / "tasks"
        back = [*self._entries(tasks)]
        for entry in back:
            crashes = entry.crashes + (how == "died")
            with suppress(FileNotFoundError):  # somebody else brings it back, too
                self._wait(tasks / entry.name, attrs.evolve(entry, crashes=crashes, recovered=how != "left"))
        for remove in ((grave / "lease").unlink, tasks.rmdir, grave.rmdir):
            with suppress(FileNotFoundError):
                remove()
        return [entry.id for entry in back]

    def _entries(self, folder: Path) -> Iterator[Entry]:
        """What is in a folder, in its order; nothing where there is none."""
        with suppress(FileNotFoundError):
            yield from map(Entry.parse, sorted(file.name for file in folder.iterdir()))

    # Deliveries.

    def take(
        self, owner: str, queues: Sequence[str], limit: int, in_hand: Collection[Delivery] | None
    ) -> list[Delivery]:
        """Hand over what is due, one queue after the other in turn."""
        if not self.holds(owner):
            raise LeaseLostError(owner)
        if in_hand is not None:
            kept = {delivery.receipt for delivery in in_hand}
            for entry in self._entries(self._tasks(owner)):
                if entry.name not in kept:
                    self._wait(self._tasks(owner) / entry.name, attrs.evolve(entry, recovered=False))
        ring = deque(self._due(queue) for queue in queues if not (self.path / "paused" / queue).exists())
        ring.rotate(-self._turn)
        deliveries: list[Delivery] = []
        while ring and len(deliveries) < limit:
            waiting = ring.popleft()
            if (delivery := self._hand_over(owner, waiting)) is not None:
                deliveries.append(delivery)
                ring.append(waiting)
        self._turn += len(deliveries)
        return deliveries

    def _due(self, queue: str) -> Iterator[Entry]:
        now = self._clock.wall_us()
        return (entry for entry in self._entries(self.path / "waiting" / queue) if entry.due <= now)

    def _hand_over(self, owner: str, waiting: Iterable[Entry]) -> Delivery | None:
        for entry in waiting:
            mine = attrs.evolve(entry, token=entry.token + 1)
            file = self._tasks(owner) / mine.name
            try:
                (self.path / "waiting" / entry.queue / entry.name).rename(file)
                payload = file.read_bytes()
            except FileNotFoundError:
                if not self.holds(owner):
                    raise LeaseLostError(owner) from None
                continue  # another worker was faster
            return Delivery(mine.name, mine.id, payload, mine.attempt, mine.crashes, mine.token, mine.recovered)
        return None

    def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem]) -> list[str]:
        """Let go what ended, and let wait what is to run again; refuse what the owner does not own any more."""
        if not self.holds(owner):
            return [*{item.delivery.id for item in items} | {outcome.delivery.id for outcome in outcomes}]
        refused = {item.delivery.id for item in items if not self._owned(owner, item.delivery).exists()}
        for outcome in outcomes:
            try:
                self._settle(self._owned(owner, outcome.delivery), outcome)
            except FileNotFoundError:
                refused.add(outcome.delivery.id)
        return list(refused)

    def _owned(self, owner: str, delivery: Delivery) -> Path:
        return self._tasks(owner) / str(delivery.receipt)

    def _settle(self, file: Path, outcome: Outcome) -> None:
        entry = Entry.parse(file.name)
        if outcome.status.terminal:
            file.unlink()
            (self.path / "ids" / entry.id).unlink(missing_ok=True)
            self._count(entry.queue, "finished")
        else:
            attempt = entry.attempt + (outcome.status is TaskStatus.RETRY)
            self._wait(file, attrs.evolve(entry, attempt=attempt, due=outcome.due, recovered=False))

    # Operators.

    def set_paused(self, queue: str, paused: bool) -> None:
        """Pause a queue, or resume it."""
        mark = self.path / "paused" / queue
        mark.touch() if paused else mark.unlink(missing_ok=True)

    def inspect(self) -> list[QueueFacts]:
        """What there is of every queue. Dead letters are in the storage, which counts them."""
        owned = [entry.queue for tasks in (self.path / "owners").glob("*/tasks") for entry in self._entries(tasks)]
        return [self._facts(folder, owned.count(folder.name)) for folder in sorted((self.path / "waiting").iterdir())]

    def _facts(self, folder: Path, running: int) -> QueueFacts:
        queue, now = folder.name, self._clock.wall_us()
        entries = [*self._entries(folder)]
        since = [max(entry.due, entry.order // 10**6) for entry in entries if entry.due <= now]
        return QueueFacts(
            queue,
            ready=len(since),
            delayed=len(entries) - len(since),
            running=running,
            oldest_s=(now - min(since, default=now)) / US_PER_S,
            paused=(self.path / "paused" / queue).exists(),
            enqueued=self._counted(queue, "enqueued"),
            finished=self._counted(queue, "finished"),
        )

    def _counted(self, queue: str, what: str) -> int:
        file = self.path / "counts" / f"{queue}.{what}"
        return file.stat().st_size if file.exists() else 0

    def purge(self, queue: str) -> int:
        """Remove every task that waits in a queue."""
        removed = 0
        for entry in self._entries(self.path / "waiting" / queue):
            with suppress(FileNotFoundError):  # taken meanwhile
                (self.path / "waiting" / queue / entry.name).unlink()
                (self.path / "ids" / entry.id).unlink(missing_ok=True)
                removed += 1
        return removed
