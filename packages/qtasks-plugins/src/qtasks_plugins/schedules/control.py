"""What people see of schedules and do to them, over the storage alone: no code of the application is needed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from qtasks.errors import TaskNotRegisteredError, did_you_mean
from qtasks.result import Task

from qtasks_plugins.schedules import entries, policy
from qtasks_plugins.schedules.entries import Entry
from qtasks_plugins.schedules.schedule import call_of
from qtasks_plugins.schedules.triggers import read_again

if TYPE_CHECKING:
    from qtasks.app.application import Application
    from qtasks.runtime import Link


async def section(app: Application, link: Link, names: tuple[str, ...]) -> list[dict[str, Any]]:  # noqa: ARG001 - the contract of `register_stats`
    """The facts of schedules: all of them, or those named.

    Raises:
        TaskNotRegisteredError: one of the names is none of a schedule.
    """
    found = await find(link, names)
    records = await link.storage.get_many([entry.last_id for entry in found.values() if entry.last_id])
    outcomes = {record.id: record.status for record in records if record is not None}
    return [
        {
            "name": name,
            "task": entry.told.task,
            "expression": entry.told.expression,
            "zone": entry.told.zone,
            "next": 0 if entry.paused else entry.next,
            "last": entry.last,
            "outcome": outcomes.get(entry.last_id, ""),
            "missed": entry.missed,
            "skipped": entry.skipped,
            "paused": entry.paused,
        }
        for name, entry in found.items()
    ]


async def find(link: Link, names: Sequence[str] = ()) -> dict[str, Entry]:
    """The entries of these schedules, or of all.

    Raises:
        TaskNotRegisteredError: there is none of a name; it ends a command with status 4.
    """
    known = await entries.load_all(link.storage)
    for name in names:
        if name not in known:
            mend = did_you_mean(name, known) or "A schedule is there once a worker or timer with it has started."
            raise TaskNotRegisteredError(f"There is no schedule {name!r}.", mend)
    return {name: entry for name, entry in known.items() if not names or name in names}


async def coming(app: Application, link: Link, names: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The next slots of these schedules, or of all, in the order of time; those of paused ones are left out."""
    now = app.runtime.clock.wall_us()
    slots: list[tuple[int, str]] = []
    for name, entry in (await find(link, names)).items():
        when = read_again(entry.told.expression, entry.told.zone)
        if entry.paused or not entry.next:
            continue
        ahead = [entry.next] if when is None else islice(when.slots(now, entry.begun), count)
        slots += [(slot, name) for slot in ahead]
    return [{"next": slot, "name": name} for slot, name in sorted(slots)[:count]]


async def set_paused(app: Application, link: Link, names: Sequence[str], paused: bool) -> None:
    """Pause schedules for all workers and timers, or resume them: what passed meanwhile is not made up for."""
    now = app.runtime.clock.wall_us()

    def changed(entry: Entry) -> Entry | None:
        if entry.paused == paused:
            return None
        if paused:
            return replace(entry, paused=True)
        return policy.resumed(entry, read_again(entry.told.expression, entry.told.zone), now)

    for name in await find(link, names):
        await entries.change(link.storage, name, now, changed)


async def trigger(app: Application, link: Link, names: Sequence[str]) -> list[Task[Any]]:
    """Enqueue a call of each of these schedules now, out of turn.

    Returns:
        the tasks; where a schedule passes over slots while a call is open, the open one.
    """
    found = await find(link, names)
    calls = [call_of(name, entry.told, app.tasks.find(entry.told.task)) for name, entry in found.items()]
    return await app.runtime.producer.send(link, calls)
