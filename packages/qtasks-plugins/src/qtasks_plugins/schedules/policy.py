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
"""How many slots are looked at in a row. Where more have passed, the first ones are given up, and not counted."""


def begin(told: Told, when: Trigger, now: int) -> Entry:
    """The entry of a schedule that nobody has seen before: its first slot is yet to come."""
    return Entry(told, now, next=next(when.slots(now, begun=False), 0))


def retold(entry: Entry, told: Told, when: Trigger, now: int) -> Entry:
    """The entry of a schedule whose program says something new. Where its slots are others, none of them is missed."""
    if (told.expression, told.zone) == (entry.told.expression, entry.told.zone):
        return replace(entry, told=told)
    position = _from_now_on(entry, now)
    return replace(entry, told=told, position=position, next=next(when.slots(position, entry.begun), 0))


def resumed(entry: Entry, when: Trigger | None, now: int) -> Entry:
    """The entry of a schedule that goes on: what passed meanwhile is not missed."""
    position = _from_now_on(entry, now)
    coming = entry.next if when is None else next(when.slots(position, entry.begun), 0)
    return replace(entry, paused=False, position=position, next=coming)


def _from_now_on(entry: Entry, now: int) -> int:
    """Now, or as far as a clock that is a little ahead has decided already; one that is far ahead was wrong."""
    return entry.position if now < entry.position <= now + LATE_US else now


def decide(entry: Entry, when: Trigger, now: int) -> Entry:
    """Decide on the slots that have come since the last decision.

    Args:
        entry: with nothing planned.
        when: the slots.
        now: microseconds UTC.

    Returns:
        the entry with what is planned; it is to be written before that is done.
    """
    passed, coming = _passed(when, entry.position, entry.begun, now)
    begun, position = entry.begun or bool(passed), passed[-1] if passed else entry.position
    if len(passed) == MOST_LOOKED_AT:  # as many as these are likely to lie in as long a time before now
        last, _ = _passed(when, now - (passed[-1] - passed[0]), begun, now)
        passed, position, coming = last or passed, now, next(when.slots(now, begun), 0)
    late = [slot for slot in passed if slot < now - LATE_US]
    planned = passed[len(late) :]
    if entry.told.missed == "all":
        planned = late[-MOST_MADE_UP_FOR:] + planned
    elif entry.told.missed == "once":
        planned = planned or late[-1:]
    missed = entry.missed + len(passed) - len(planned)
    return replace(entry, position=position, begun=begun, planned=planned, next=coming, missed=missed)


def _passed(when: Trigger, after: int, begun: bool, now: int) -> tuple[list[int], int]:
    """The slots up to now, so many as are looked at, and the one to come: 0 if there is none, or it was not reached."""
    passed: list[int] = []
    for slot in islice(when.slots(after, begun), MOST_LOOKED_AT):
        if slot > now:
            return passed, slot
        passed.append(slot)
    return passed, 0
