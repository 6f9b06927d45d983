"""The storage on Redis: records and streams, and the small things beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import attrs
from qtasks.codec import encode_fields, found_envelope, restore
from qtasks.errors import MalformedMessageError
from qtasks.message import Envelope, Outcome, Record, StreamItem, StreamSlice
from qtasks.ports import Broker, Storage, TaskCounts, WorkerFacts
from qtasks.ports.facts import WORKER_SILENCE_S
from qtasks.types import US_PER_S, TaskStatus

from qtasks_redis.component import RedisComponent
from qtasks_redis.records import (
    encode_ending,
    encode_note,
    is_over,
    read_record,
    read_summary,
    take_apart,
)

LOOKED_AT = 10_000
"""So many records are looked at, at most, when some are to be found; of those that ended the last ones."""

PAGE = 500
"""So many records are read at once."""

PROMISED_S = 1.0
"""Who waits for a task that promises to tell asks for it after as long."""

POLL_S = 5.0
"""Who waits looks again after as long, though nothing was pushed: a push may be lost with its connection."""


class RedisStorage(RedisComponent, Storage):
    """Keeps records, streams, counters and values in Redis or Valkey."""

    def shares(self, broker: Broker) -> bool:
        """True for a broker in the same database and namespace."""
        return isinstance(broker, RedisComponent) and broker.place == self.place

    def reply_address(self) -> str | None:
        """The channel of the running loop, or of the thread in the blocking view; None without a loop."""
        try:
            return self._transport.channel
        except RuntimeError:
            return None

    async def add(self, envelopes: Sequence[Envelope]) -> list[str]:
        """Store records of messages that wait elsewhere."""
        return await self._publish("parked", envelopes)

    async def remove(self, ids: Sequence[str]) -> None:
        """Delete records, whatever their status."""
        await self._run("remove", *ids)

    async def finish(self, outcomes: Sequence[Outcome], items: Sequence[StreamItem] = ()) -> list[str]:
        """Write what became of deliveries of a queue elsewhere, unless the task or the attempt has ended before."""
        wall_us = self.context.clock.wall_us()
        await self.add([found_envelope(outcome.delivery) for outcome in outcomes if outcome.status.terminal])
        args: list[str | bytes | int] = []
        for outcome in outcomes:
            terminal = outcome.status.terminal
            args += (
                outcome.delivery.id,
                outcome.delivery.attempt,
                outcome.status,
                encode_ending(outcome, wall_us) if terminal else b"",
                int(outcome.keep_s * 1000),
                outcome.due,
                b"" if terminal else encode_note(outcome),
            )
        for item in items:
            args += (item.delivery.id, item.delivery.attempt, f"{item.delivery.token:014x}", item.offset, item.value)
        caps = self.context.dead_letter_cap, self.context.stream_cap
        return [task_id.decode() for task_id in await self._run("store", *caps, len(outcomes), *args)]

    async def get_many(self, ids: Sequence[str]) -> list[Record | None]:
        """The records of tasks, in order."""
        return [record for _, record in await self._read(ids)]

    async def wait(self, task_id: str, timeout_s: float) -> Record | None:
        """Wait for the end of a task."""
        deadline = time.monotonic() + timeout_s
        promised = self.server.promised.pop(task_id, "") == self._transport.channel
        if not promised:  # otherwise publishing has done so
            await self._transport.subscribe()
        with self._transport.listen(b"task " + task_id.encode()) as news:
            while promised or await self._run("watch", task_id, self._transport.channel):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return None
                if pushed := await news.get(min(left_s, PROMISED_S if promised else POLL_S)):
                    return read_record(task_id, pushed, b"", b"", b"")
                promised = False
        [record] = await self.get_many([task_id])
        return record

    async def read_stream(self, task_id: str, attempt: int, offset: int, wait_s: float) -> StreamSlice | None:
        """Wait for values beyond an offset, or for the end of the task."""
        deadline = time.monotonic() + wait_s
        if wait_s > 0:
            await self._transport.subscribe()
        with self._transport.listen(b"task " + task_id.encode()) as news:
            while True:
                left_s = deadline - time.monotonic()
                teller = self._transport.channel if left_s > 0 else ""
                found = await self._run("stream", task_id, attempt, offset, teller)
                if not found or self._is_over(found[1], found[0]):
                    return None
                _, record, more, claim, written, values = found
                status = read_record(task_id, record, more, claim, b"").status
                if values or status.terminal or not teller:
                    return StreamSlice(written, values, status)
                await news.get(min(left_s, POLL_S))

    async def find(
        self,
        *,
        status: TaskStatus | None = None,
        task: str | None = None,
        queue: str | None = None,
        limit: int = 100,
    ) -> list[Record]:
        """Records that fit, the newest first."""
        ids = [one.decode(errors="replace") for one in await self._run("find", status or "", queue or "", LOOKED_AT)]
        found: list[tuple[int, bytes, Record]] = []
        for at in range(0, len(ids), PAGE):
            for written, record in await self._read(ids[at : at + PAGE]):
                if record is None or status not in {None, record.status}:
                    continue
                summary = read_summary(record.payload)
                if queue in {None, take_apart(written).queue} and task in {None, summary.task}:
                    found.append((summary.enqueued, written[8:22], record))
        found.sort(key=lambda one: one[:2], reverse=True)
        return [record for *_, record in found[:limit]]

    async def link(self, parent: str, child: str) -> None:
        """Note which task replays another."""
        await self._run("link", parent, child)

    async def report(self, facts: WorkerFacts | None, counts: Mapping[str, TaskCounts]) -> None:
        """Keep what a worker says, and add its counters."""
        said = ("", "", "") if facts is None else (facts.owner, WORKER_SILENCE_S * US_PER_S, encode_fields(facts))
        fields = [text for task, more in counts.items() for field in _fields(task, more) for text in field]
        await self._run("report", *said, *fields)

    async def workers(self) -> list[WorkerFacts]:
        """The reports that are fresh."""
        found = []
        for facts in await self._run("workers"):
            with suppress(MalformedMessageError):  # somebody else has written it
                found.append(restore(facts, WorkerFacts))
        return found

    async def counts(self) -> dict[str, TaskCounts]:
        """The counters by task name."""
        found = await self._look_up("HGETALL", "counts")
        counts: dict[str, TaskCounts] = {}
        for field, value in zip(found[::2], found[1::2], strict=True):
            name, _, task = field.decode(errors="replace").partition(" ")
            name, _, bucket = name.partition(":")
            if name not in _COUNTERS:
                continue
            total = counts.setdefault(task, TaskCounts())
            known = getattr(total, name)
            with suppress(ValueError, IndexError):  # somebody else has written it
                if isinstance(known, list):
                    known[int(bucket)] = int(value)
                else:
                    setattr(total, name, value.decode(errors="replace") if isinstance(known, str) else int(value))
        return counts

    async def load_value(self, key: str) -> tuple[bytes | None, int]:
        """A shared value and its version, unless its time is over."""
        found = await self._run("values", "one", key)
        return (found[2], int(found[1])) if found else (None, 0)

    async def save_value(self, key: str, value: bytes | None, version: int, ttl_s: float | None = None) -> bool:
        """Store a shared value, if its version is still this one."""
        ttl = "" if ttl_s is None else round(ttl_s * US_PER_S)
        what = "delete" if value is None else "store"
        return bool(await self._run("save", key, version, what, ttl, value or b""))

    async def find_values(self, prefix: str) -> dict[str, bytes]:
        """The shared values below a prefix."""
        found = await self._run("values", "all", prefix)
        return {key.decode(errors="replace"): value for key, value in zip(found[::3], found[2::3], strict=True)}

    async def _read(self, ids: Sequence[str]) -> list[tuple[bytes, Record | None]]:
        """Records as they are written, and as they are read."""
        now, *found = await self._run("read", *ids)
        rows = [found[at : at + 4] for at in range(0, len(found), 4)]
        return [
            (row[0] or b"", None if row[0] is None or self._is_over(row[0], now) else read_record(task_id, *row))
            for task_id, row in zip(ids, rows, strict=True)
        ]

    def _is_over(self, record: bytes, now: bytes) -> bool:
        """True for a record whose time is over by a clock that tests move; by its own the server deletes it."""
        return bool(self._clock) and is_over(record, int(now))


_COUNTERS = {field.name for field in attrs.fields(TaskCounts)}


def _fields(task: str, counts: TaskCounts) -> Iterator[tuple[str, int | str]]:
    """What is added to the stored counters of a task: only what is not 0."""
    for name, value in attrs.asdict(counts, recurse=False).items():
        if isinstance(value, list):
            yield from ((f"{name}:{bucket} {task}", count) for bucket, count in enumerate(value) if count)
        elif value:
            yield f"{name} {task}", f"={value}" if isinstance(value, str) else value
