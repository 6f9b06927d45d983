"""The name of a task's file: all that changes about a task is in its name, so a rename changes all or nothing."""

from __future__ import annotations

import attrs

LOWEST_PRIORITY = 2**31
"""Added to a priority, so that names sort as priorities do."""


@attrs.frozen
class Entry:
    """One task as its file is named.

    Args:
        priority: the lower number comes first.
        order: grows with every task that is accepted: its microsecond UTC, and a counter.
        due: not before this time, microseconds UTC.
        id: of the task.
        attempt: attempts that ended.
        crashes: counted deaths of its workers.
        token: how often it was handed over.
        recovered: True when its last owner died with it or lost it.
        queue: where it waits.
    """

    priority: int
    order: int
    due: int
    id: str
    attempt: int
    crashes: int
    token: int
    recovered: bool
    queue: str

    @property
    def name(self) -> str:
        """The file's name; sorted by name, tasks are in the order in which they are to run."""
        head = f"{self.priority + LOWEST_PRIORITY:010},{self.order:022},{self.due},{self.id}"
        return f"{head},{self.attempt},{self.crashes},{self.token},{self.recovered:d},{self.queue}"

    @classmethod
    def parse(cls, name: str) -> Entry:
        """Read a name again."""
        priority, order, due, task_id, attempt, crashes, token, recovered, queue = name.split(",")
        return cls(
            int(priority) - LOWEST_PRIORITY,
            int(order),
            int(due),
            task_id,
            int(attempt),
            int(crashes),
            int(token),
            recovered == "1",
            queue,
        )
