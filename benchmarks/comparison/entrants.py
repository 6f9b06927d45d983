"""Who takes part: read from the headers of `benchmarks/peers/`, without importing any of the frameworks."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]

_HEADER = re.compile(r"^# /// script\n(?P<lines>(?:#.*\n)+?)# ///$", re.MULTILINE)


@dataclass(frozen=True)
class Entrant:
    """One way to run one framework.

    Args:
        name: in the tables.
        module: below `peers`.
        python: which versions it admits, as in `requires-python`.
        dependencies: what its environment holds; none: it runs in that of the command.
        worker: the command of its worker.
        note: the settings that matter.
        drain: the concurrency at which it drains fastest, None for the usual.
        serial: whether a process runs one task at a time.
        environment: variables of its processes.
    """

    name: str
    module: str
    python: str
    dependencies: tuple[str, ...]
    worker: str
    note: str
    drain: int | None = None
    serial: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def all_entrants() -> list[Entrant]:
    """Return all, in the order of the file names."""
    files = sorted((BENCHMARKS / "peers").glob("[!_]*.py"))
    return [entrant for path in files for entrant in _read(path)]


def _read(path: Path) -> list[Entrant]:
    match = _HEADER.search(path.read_text())
    if match is None:
        raise SystemExit(f"{path} has no header: it starts with `# /// script` and ends with `# ///`")
    header = tomllib.loads("".join(line[2:] or "\n" for line in match["lines"].splitlines(keepends=True)))
    common = {
        "module": path.stem,
        "python": header["requires-python"],
        "dependencies": tuple(header.get("dependencies", ())),
    }
    return [Entrant(name=name, **common, **table) for name, table in header["tool"]["bench"].items()]
