"""What the storage knows of a schedule: an `Entry`, read and written with compare-and-set. When slots are is elsewhere.

It is the log of decisions: which slots are to be enqueued is written before it is done, and struck out afterwards. So
whoever comes next can finish what a scheduler that died has begun, and nobody decides twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from qtasks.errors import MalformedMessageError
from qtasks.ports import Storage
from qtasks.types import US_PER_S

PREFIX = "schedule:"
"""How the keys of entries begin."""

KEPT_S = 30 * 86_400
"""How long an entry is kept after its next slot when no worker knows the schedule any more. A paused one stays."""


class Told(msgspec.Struct, frozen=True):
    """What a program says of a schedule; `Schedule` tells the meaning of the fields."""

    task: str
    expression: str
    zone: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    priority: int | None
    missed: str
    overlap: str


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a schedule stands. Times are microseconds UTC; 0 is none.

    Args:
        told: what it is; written by the worker that started last.
        position: slots up to here are decided.
        begun: True when there was a slot.
        planned: slots that are to be enqueued, and are not known to be.
        last: the slot that was enqueued last.
        last_id: its task.
        next: the slot after `position`.
        missed: how many slots were given up because nobody was there.
        skipped: how many were passed over because a call was still open.
        paused: True when slots pass without effect.
    """

    told: Told
    position: int
    begun: bool = False
    planned: list[int] = []
    last: int = 0
    last_id: str = ""
    next: int = 0
    missed: int = 0
    skipped: int = 0
    paused: bool = False


_decoder = msgspec.json.Decoder(Entry)
_encode = msgspec.json.Encoder().encode


def _decode(name: str, data: bytes) -> Entry:
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise MalformedMessageError(f"What is stored of the schedule {name!r} cannot be read: {error}") from error


async def load(storage: Storage, name: str) -> tuple[Entry | None, int]:
    """The entry of a schedule and its version; None when there is none.

    Raises:
        MalformedMessageError: what is stored is none.
    """
    data, version = await storage.load_value(PREFIX + name)
    return None if data is None else _decode(name, data), version


async def save(storage: Storage, name: str, entry: Entry, version: int, now: int) -> bool:
    """Write an entry, if nobody else has since it was loaded; `now` in microseconds UTC."""
    ttl_s = None if entry.paused else max(0, entry.next - now) / US_PER_S + KEPT_S
    return await storage.save_value(PREFIX + name, _encode(entry), version, ttl_s)


async def change(storage: Storage, name: str, now: int, changed: Callable[[Entry], Entry | None]) -> None:
    """Change an entry, if there is one; again whenever somebody else was faster.

    Args:
        storage: where it is.
        name: of the schedule.
        now: microseconds UTC.
        changed: makes the new entry of the present one, or None to leave it.
    """
    while True:
        entry, version = await load(storage, name)
        new = None if entry is None else changed(entry)
        if new is None or await save(storage, name, new, version, now):
            return


async def load_all(storage: Storage) -> dict[str, Entry]:
    """All entries, by name."""
    found = await storage.find_values(PREFIX)
    return {name: _decode(name, found[PREFIX + name]) for name in sorted(key.removeprefix(PREFIX) for key in found)}
