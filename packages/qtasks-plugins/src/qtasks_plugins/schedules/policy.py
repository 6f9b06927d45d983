"""Which slots of a schedule are enqueued now, and which are given up: pure decisions, nothing is read or written."""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace
from qtasks.types import US_PER_S

from qtasks_plugins.schedules.entries import Entry, Told
from qtasks_plugins.schedules.triggers import Trigger

LATE_US = 30 * US_PER_S
"""A slot that nobody has decided on for so long is missed."""

MOST_MADE_UP_FOR = 100
"""How many missed slots are enqueued at most, the last ones."""

MOST_LOOKED_AT = 1000
"""How many slots one decision looks at. What lies between these and now is given up, and not counted."""


def begin(told: Told, when: Trigger, now: int) -> Entry:
    """The entry of a schedule that nobody has seen before: its first slot is yet to come."""
    return Entry(told, now, next=next(when.slots(now, begun=False), 0))


def retold(entry: Entry, told: Told, when: Trigger, now: int) -> Entry:
    """The entry of a schedule whose program says something new. Where its slots are others, none of them is missed."""
    if (told.expression, told.zone) == (entry.told.expression, entry.told.zone):
        return replace(entry, told=told)
    return replace(entry, told=told, position=now, next=next(when.slots(now, entry.begun), 0))


def resumed(entry: Entry, when: Trigger | None, now: int) -> Entry:
    """The entry of a schedule that goes on: what passed meanwhile is not missed."""
    coming = entry.next if when is None else next(when.slots(now, entry.begun), 0)
    return replace(entry, paused=False, position=now, next=coming)


def decide(entry: Entry, when: Trigger, now: int) -> Entry:
    """Decide on the slots that have come since the last decision.

    Args:
        entry: with nothing planned.
        when: the slots.
        now: microseconds UTC.

    Returns:
        the entry with what is planned; it is to be written before that is done.
    """
    passed, coming = [], 0
    for slot in islice(when.slots(entry.position, entry.begun), MOST_LOOKED_AT):
        if slot > now:
            coming = slot
            break
        passed.append(slot)
    position = passed[-1] if passed else entry.position
    if len(passed) == MOST_LOOKED_AT:
        position, coming = now, next(when.slots(now, begun=True), 0)
    late = [slot for slot in passed if slot < now - LATE_US]
    planned = passed[len(late) :]
    if entry.told.missed == "all":
        planned = late[-MOST_MADE_UP_FOR:] + planned
    elif entry.told.missed == "once":
        planned = planned or late[-1:]
    missed = entry.missed + len(passed) - len(planned)
    return replace(
        entry, position=position, begun=entry.begun or bool(passed), planned=planned, next=coming, missed=missed
    )
