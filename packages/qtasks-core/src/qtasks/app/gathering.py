"""Publishing on an event loop: single messages that are added in one tick of the loop go out as one batch.

What is done with a call before and after that is the producer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import attrs

from qtasks.errors import PublishError
from qtasks.message import Envelope
from qtasks.runtime import Link

if TYPE_CHECKING:
    import asyncio

    Batch: TypeAlias = list[tuple[Envelope, asyncio.Future[str]]]

BATCH = 500
"""How many messages go out together at most; even of the largest, fewer bytes than Redis takes at once (512 MB)."""


@attrs.define(eq=False)
class GatheringLink(Link):
    """The link of the awaitable face.

    Who is the first to add in a tick publishes at once, so that a lone caller waits for nothing; who follows in
    the same tick shares a batch that goes out with the next. As long as there is such company, the first shares, too.

    A batch belongs to one event loop and is touched in its thread only. One that a loop has left open, because it
    was closed or the process has forked, is passed over.
    """

    _open: tuple[asyncio.AbstractEventLoop, Batch] | None = attrs.field(init=False, default=None)
    _company: bool = attrs.field(init=False, default=False)
    _latest: int = attrs.field(init=False, default=0)
    _sending: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)

    async def publish(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Like `Link.publish`; a single message may go out together with those of other callers."""
        import asyncio  # not with the application: the blocking face has no need of it

        caller = id(asyncio.current_task())
        if len(envelopes) != 1 or caller == self._latest:  # one after the other: there is no company to wait for
            return await super().publish(envelopes)
        self._latest = caller
        loop, gathering = asyncio.get_running_loop(), self._open
        if gathering is None or gathering[0] is not loop or len(gathering[1]) >= BATCH:
            gathering = self._open = (loop, [])
            loop.call_soon(self._close, gathering)
            if not self._company:
                return await super().publish(envelopes)
        future: asyncio.Future[str] = loop.create_future()
        gathering[1].append((envelopes[0], future))
        return [await future]

    def _close(self, gathering: tuple[asyncio.AbstractEventLoop, Batch]) -> None:
        if self._open is gathering:
            self._open = None
        loop, batch = gathering
        self._company = len(batch) > int(self._company)  # had there been none, the first is not in it
        if batch:
            task = loop.create_task(self._send(batch))  # no caller's own: any of them may be cancelled
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, batch: Batch) -> None:
        import asyncio

        while waiting := [pair for pair in batch if not pair[1].done()]:
            try:
                ids = await super().publish([envelope for envelope, _ in waiting])
            except asyncio.CancelledError:  # the loop ends, or the connection was closed
                for _, future in waiting:
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - it is raised where the callers wait
                refused = error.refused if isinstance(error, PublishError) else ()
                for _, future in [pair for pair in waiting if pair[0].message.id in refused] or waiting:
                    if not future.done():
                        future.set_exception(error)  # and the others are sent once more, which is safe
            else:
                for (_, future), known in zip(waiting, ids, strict=True):
                    if not future.done():  # its caller may have been cancelled
                        future.set_result(known)
