"""What the end of a worker did to the tasks that it had in hand: told in the log, and counted by task name."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from qtasks.codec import found_envelope
from qtasks.message import Delivery
from qtasks.ports import TaskCounts
from qtasks.runtime import Link
from qtasks.types import TaskStatus

NAMED = 10
"""At most so many tasks of a worker are named in the log."""

log = logging.getLogger("qtasks.supervisor")


async def tell(link: Link, ids: Sequence[str], death: str | None, typed: Callable[[str], str]) -> None:
    """Log what became of tasks, and add a death to the counters of their names.

    Args:
        link: over which components.
        ids: of the tasks that the worker had in hand.
        death: how it died; None when that counts for nothing.
        typed: makes a command line of the words of a command, to be pasted as it is.

    Raises:
        BackendError: their records cannot be read, or the counters not be written.
    """
    counts: defaultdict[str, TaskCounts] = defaultdict(TaskCounts)
    back = []
    for record in filter(None, await link.storage.get_many(ids)):
        name = found_envelope(Delivery(None, record.id, record.payload)).message.task
        counts[name].crashes += 1
        if record.status is TaskStatus.DEAD and record.error is not None:
            counts[name].failures += 1
            counts[name].last_error = f"{record.error.type}: {record.error.text}"[:500]
            log.error(
                "Task %s %s is a dead letter: %d workers died with it. `%s` tells of each death, `%s` runs it again.",
                *(name, record.id, record.crashes),
                *(typed(f"stats inspect task {record.id}"), typed(f"dlq replay {record.id}")),
            )
        else:
            back.append(f"{name} {record.id}")
    if back:
        whose = "a worker whose time was over" if death is None else f"a dead worker ({death})"
        more = f" and {len(back) - NAMED} more" if len(back) > NAMED else ""
        log.warning("Handed back from %s: %s%s.", whose, ", ".join(back[:NAMED]), more)
    counts.pop("", None)  # what cannot be read
    if death is not None:
        await link.storage.report(None, counts)
