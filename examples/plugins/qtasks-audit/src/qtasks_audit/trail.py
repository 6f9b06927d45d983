"""The trail: a file with a line of JSON for each task that ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import attrs


@attrs.frozen
class Line:
    """One task that ended.

    Args:
        updated: when, microseconds UTC.
        by: who added it.
        task: its name.
        id: 32 hexadecimal digits.
        status: how it ended.
    """

    updated: int
    by: str
    task: str
    id: str
    status: str


@attrs.frozen
class Trail:
    """The file, which several workers may write to at the same time.

    Args:
        path: where it is.
    """

    path: Path

    @classmethod
    def from_environment(cls) -> Trail:
        """The file that QTASKS_AUDIT names; by default `qtasks-audit.jsonl` in the working directory."""
        return cls(Path(os.environ.get("QTASKS_AUDIT", "qtasks-audit.jsonl")))

    def add(self, line: Line) -> None:
        """Append a line: one short write, so that lines of several processes do not mix."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(attrs.asdict(line)) + "\n")

    def read(self) -> Iterator[Line]:
        """All lines, the oldest first; none where nothing was written yet."""
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                yield from (Line(**json.loads(text)) for text in file)
