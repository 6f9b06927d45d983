"""`qtasks stats inspect audit`: the trail, added up by author and task."""

from __future__ import annotations

from typing import Any

from qtasks_audit.trail import Trail


async def section(app: Any, link: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each author and task; of these authors only, where there are names."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for line in Trail.from_environment().read():
        if not names or line.by in names:
            empty = {"by": line.by, "task": line.task, "ended": 0, "successes": 0, "last": 0}
            row = rows.setdefault((line.by, line.task), empty)
            row["ended"] += 1
            row["successes"] += line.status == "success"
            row["last"] = line.updated
    return [rows[key] for key in sorted(rows)]
