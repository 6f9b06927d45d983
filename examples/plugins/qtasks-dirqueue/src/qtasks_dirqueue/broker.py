"""The broker over a spool: the contract of `qtasks.ports.Broker`, for an event loop and for a blocking caller."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from qtasks.errors import BackendUnavailableError, ConfigError, UnsupportedError
from qtasks.message import Delivery, Envelope, Outcome, StreamItem
from qtasks.ports import BackendContext, Broker, CancelAnswer, Capabilities, QueueFacts

from qtasks_dirqueue.spool import Spool

POLL_S = 0.02
"""How often a worker that waits looks again: files cannot push, and a watcher of directories is another dependency."""


class DirectoryBroker(Broker):
    """Keeps every task as a file, on a local file system; results and records are in the storage beside it.

    Args:
        path: the directory.
        context: whose namespace and clock it uses.
        blocking: True for the view that blocks its thread where the other suspends.
    """

    # A rename can do all of this. It cannot end a record that is kept elsewhere, which `cancel` would have to, and
    # nothing makes a key unique but a lock.
    capabilities = Capabilities(cancel=False, unique=False)

    def __init__(self, path: Path, context: BackendContext, *, blocking: bool = False) -> None:
        self._path = path
        self._context = context
        self._blocking = blocking
        self._spool = Spool(path / context.namespace, context.clock)

    @classmethod
    def from_url(cls, url: str, context: BackendContext) -> Self:
        """Read `dirqueue:///absolute/path`."""
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if parts.netloc or parts.query or parts.fragment or not path.is_absolute():
            raise ConfigError(f"{url!r} names no directory.", "Write dirqueue:///absolute/path, without parameters.")
        return cls(path, context)

    def blocking(self) -> Self:
        """The same directory, waited for by blocking the thread."""
        return type(self)(self._path, self._context, blocking=True)

    @property
    def url(self) -> str:
        """`dirqueue://` and the path."""
        return f"dirqueue://{quote(str(self._path))}"

    @contextmanager
    def _files(self) -> Iterator[Spool]:
        """Give the spool; what the file system refuses is an error of the backend."""
        try:
            yield self._spool
        except OSError as error:
            raise BackendUnavailableError(
                f"The queue in {self._path} cannot be used: {error}.",
                "It has to be a directory on a local file system that this user may write to.",
            ) from error

    async def _nap(self, longest_s: float) -> None:
        nap_s = min(POLL_S, longest_s)
        if self._blocking:
            time.sleep(nap_s)  # noqa: ASYNC251 - that is what this view is for
        else:
            import asyncio  # here, because a blocking caller needs none

            await asyncio.sleep(nap_s)

    async def open(self) -> None:
        """Make the folders."""
        with self._files() as spool:
            spool.create()

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Write messages, then let each wait."""
        with self._files() as spool:
            return spool.publish(envelopes)

    async def join(self, owner: str, name: str, lease_s: float) -> None:
        """Begin an incarnation."""
        with self._files() as spool:
            spool.join(owner, lease_s)

    async def take(
        self, owner: str, queues: Sequence[str], limit: int, wait_s: float, in_hand: Collection[Delivery] | None = None
    ) -> list[Delivery]:
        """Hand over what is due, or look again until there is something."""
        until = time.monotonic() + (wait_s if limit else 0)
        while True:
            with self._files() as spool:
                deliveries = spool.take(owner, queues, limit, in_hand)
            if deliveries or (left_s := until - time.monotonic()) <= 0:
                return deliveries
            in_hand = None
            await self._nap(left_s)

    async def finish(self, owner: str, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Let go what ended, and let wait what is to run again."""
        with self._files() as spool:
            return spool.finish(owner, outcomes, items)

    async def release(self, owner: str, *, death: str | None = None) -> list[str]:
        """End an incarnation; a death is counted in the names of what it had."""
        with self._files() as spool:
            return spool.release(owner, died=death is not None)

    async def beat(self, owners: Collection[str]) -> set[str]:
        """Renew leases, and take away what lapsed owners have."""
        with self._files() as spool:
            return spool.beat(owners)

    async def cancel(self, task_id: str, reason: str) -> CancelAnswer:
        """Refuse: the record is in the storage beside this broker."""
        raise UnsupportedError("DirectoryBroker cannot cancel tasks.", "Use a broker that can, such as sqlite://.")

    async def cancel_requests(self, owner: str, known: Collection[str] = (), wait_s: float = 0.0) -> dict[str, str]:
        """Nobody can ask."""
        return {}

    async def set_paused(self, queue: str, paused: bool) -> None:
        """Pause a queue, or resume it."""
        with self._files() as spool:
            spool.set_paused(queue, paused)

    async def inspect(self) -> list[QueueFacts]:
        """What there is of every queue that was ever used."""
        with self._files() as spool:
            return spool.inspect()

    async def purge(self, queue: str) -> int:
        """Remove every task that waits in a queue."""
        with self._files() as spool:
            return spool.purge(queue)
