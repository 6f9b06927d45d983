"""The tables and plots of one run: `python -m comparison.report RESULT.json FOLDER` makes them anew from its figures.

Every figure is the median of its rounds.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison.chart import bars

Record = dict[str, Any]

NOTHING = "-"
OURS = {"attrs", "hiredis", "msgspec", "pluggy", "uvloop"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        title: its heading.
        workload: whose figure it shows.
        key: of the figure.
        form: how it is written.
        plot: the title of its plot, empty for none.
        most: whether the largest is the best.
    """

    title: str
    workload: str
    key: str
    form: str = ",.0f"
    plot: str = ""
    most: bool = False


@dataclass(frozen=True)
class Table:
    """A heading, a sentence on how it is measured, and columns; the first column orders the rows."""

    title: str
    about: str
    columns: tuple[Column, ...]


TABLES = (
    Table(
        "Draining a full queue",
        "No-op tasks, each result stored (repid stores none). Concurrency as in the table of settings, and 10.",
        (
            Column("tasks/s", "drain", "per_s", plot="Drain, 1 process: tasks a second", most=True),
            Column("µs", "drain", "us", ",.1f"),
            Column("tasks/s at concurrency 10", "drain-10", "per_s"),
            Column("tasks/s, 2 processes", "drain-2", "per_s", plot="Drain, 2 processes: tasks a second", most=True),
        ),
    ),
    Table(
        "Adding tasks",
        "µs a task. One by one: blocking where there is a blocking call, else awaited. In turns with that of QTasks: "
        "the same script called by redis-py, and an RPUSH of the same message by redis-py, which keeps no record; "
        "medians of turns of 100. Bulk: 1,000 a call. Concurrent: 1,000 awaits on one event loop.",
        (
            Column("one by one", "enqueue", "us", ",.1f", "Adding one by one: µs a task"),
            Column("the same by redis-py", "enqueue", "add_bare_us", ",.1f"),
            Column("a bare RPUSH", "enqueue", "push_bare_us", ",.1f"),
            Column("bulk", "bulk", "us", ",.2f", "Adding in bulk: µs a task"),
            Column("concurrent", "gathered", "us", ",.1f"),
        ),
    ),
    Table(
        "How soon",
        "ms. Round trip: from adding a task, with the worker idle, to holding its result. Start delay: from adding a "
        "task to its body, at 200 a second. Concurrency 10.",
        (
            Column("round trip p50", "round-trip", "p50_ms", ",.2f", "Round trip, idle worker: p50, ms"),
            Column("p95", "round-trip", "p95_ms", ",.2f"),
            Column("p99", "round-trip", "p99_ms", ",.2f"),
            Column("start delay p50", "delay", "p50_ms", ",.2f"),
            Column("p99", "delay", "p99_ms", ",.2f"),
        ),
    ),
    Table(
        "Tasks that do something",
        "The share of what is possible. Waits of 10 and 100 ms at concurrency 100 in one process: of what 100 bare "
        "coroutines reach just before and after in the same environment (on uvloop where the peer has it), which is, "
        "of the nominal rate, in the columns beside them. CPU: about a millisecond of bytecode on two processes, of "
        "what two bare loops reach.",
        (
            Column(
                "waits of 100 ms", "wait-100", "share", ".0%", "Waits of 100 ms: share of the ideal rate", most=True
            ),
            Column("waits of 10 ms", "wait-10", "share", ".0%", "Waits of 10 ms: share of the ideal rate", most=True),
            Column("a bare event loop, 100 ms", "wait-100", "bare_share", ".0%"),
            Column("10 ms", "wait-10", "bare_share", ".0%"),
            Column("CPU", "cpu", "share", ".0%"),
        ),
    ),
    Table(
        "A worker with nothing to do",
        "One worker process with its parents, where it has any. Start: from the start of the command to the body of a "
        "task that waits.",
        (
            Column("start, s", "start", "s", ".2f"),
            Column("CPU, % of a core", "idle", "cpu_percent", ".1f"),
            Column("commands/s sent", "idle", "commands_per_s", ",.1f"),
            Column("called by scripts", "idle", "script_commands_per_s", ",.1f"),
            Column("largest process, MiB (PSS)", "idle", "largest_pss_mib", ".0f"),
            Column("all processes, MiB (PSS)", "idle", "pss_mib", ".0f"),
        ),
    ),
)


def markdown(record: Record, plots: str = "") -> str:
    """Return the page of a run.

    Args:
        record: what `compare_redis.py` kept.
        plots: the folder of the plots as the page names it; empty: without them.
    """
    return "\n".join([*_head(record), *_body(record, plots), *_settings(record), *_failures(record)])


def write(record: Record, folder: Path) -> None:
    """Write `index.md` and one SVG for each plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for column in (column for table in TABLES for column in table.columns if column.plot):
        if values := dict(_ranked(record, column)):
            own = [name for name in values if record["entrants"][name]["own"]]
            (folder / _file(column)).write_text(bars(column.plot, values, own, column.form))
    (folder / "index.md").write_text(markdown(record, plots="."))


def _head(record: Record) -> Iterator[str]:
    machine, rounds = record["machine"], record["rounds"]
    yield "# Benchmarks: Redis\n"
    yield "Made by one command, which makes an environment for each framework and runs all in turn on one server:\n"
    yield f"```text\n{record['command']}\n```\n"
    yield (
        f"{record['started']}. {machine['cpu']}, {machine['cores']} cores, {machine['system']}; redis-server "
        f"{record['redis']} without persistence, over loopback. "
        + (f"Medians of {rounds} rounds" if rounds > 1 else "One round")
        + (f" (of {', '.join(record['once'])} the first one only)" if record.get("once") else "")
        + f"; at most {record['tasks']:,} tasks a drain. Tasks are counted and timed by stamps that their bodies leave "
        "in shared memory, not by what a framework says of itself. Absolute figures drift by tens of percent from "
        "machine to machine and from hour to hour; the ratios are what counts. `floor` is no framework: it is the "
        "least that an at-least-once queue with stored results must do, over redis-py.\n"
    )


def _body(record: Record, plots: str) -> Iterator[str]:
    for table in TABLES:
        rows = dict(_rows(record, table))
        if not rows:
            continue
        yield f"## {table.title}\n\n{table.about}\n"
        yield f"| | {' | '.join(column.title for column in table.columns)} |"
        yield "|---" + "|---:" * len(table.columns) + "|"
        for name, cells in rows.items():
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""
        for column in table.columns:
            if plots and column.plot and any(_ranked(record, column)):
                yield f"![{column.plot}]({plots}/{_file(column)})\n"


def _rows(record: Record, table: Table) -> Iterator[tuple[str, list[str]]]:
    """Each row that has any figure: by the first column, the best first, what has none there last."""
    ranks = [name for name, _ in _ranked(record, table.columns[0])]
    for name in [*ranks, *(name for name in record["entrants"] if name not in ranks)]:
        cells = [_cell(record, name, column) for column in table.columns]
        if set(cells) != {NOTHING}:
            yield name, cells


def _ranked(record: Record, column: Column) -> list[tuple[str, float]]:
    """Who has a figure there, the best first."""
    values = {name: _median(record, name, column.workload, column.key) for name in record["entrants"]}
    known = [(name, value) for name, value in values.items() if value is not None]
    return sorted(known, key=lambda pair: pair[1], reverse=column.most)


def _cell(record: Record, name: str, column: Column) -> str:
    value = _median(record, name, column.workload, column.key)
    return NOTHING if value is None else format(value, column.form)


def _median(record: Record, name: str, workload: str, key: str) -> float | None:
    rounds = record["entrants"][name]["figures"].get(workload, [])
    values = [figures[key] for figures in rounds if figures and key in figures]
    return statistics.median(values) if values else None


def _settings(record: Record) -> Iterator[str]:
    yield "## Settings and versions\n"
    yield "| | concurrency of the drain | settings | command of the worker |\n|---|---:|---|---|"
    for name, about in record["entrants"].items():
        drained = _median(record, name, "drain", "concurrency")
        concurrency = NOTHING if drained is None else f"{drained:.0f}"
        yield f"| {name} | {concurrency} | {about['note']} | `{about['worker']}` |"
    yield ""
    modules = {about["module"]: about for about in record["entrants"].values()}
    for module, about in modules.items():
        packages = [f"{name} {version}" for name, version in about["versions"].items() if _tells(about, name)]
        yield f"- {module}: " + ", ".join([f"Python {about['python']}", *packages])
    yield ""


def _tells(about: dict[str, Any], package: str) -> bool:
    """Whether the version of a package matters: our environment is that of the command, with tools of all kinds."""
    return not about["own"] or package in OURS or package.startswith("qtasks-")


def _failures(record: Record) -> Iterator[str]:
    failed = [
        f"- {name}, {workload}: {figures['error']}"
        for name, about in record["entrants"].items()
        for workload, rounds in about["figures"].items()
        for figures in rounds
        if figures and "error" in figures
    ]
    if failed:
        yield "## What failed\n"
        yield from failed
        yield ""


def _file(column: Column) -> str:
    return f"{column.workload}.svg"


def main() -> None:
    """Write the page of the run that the first argument names into the folder that the second names."""
    write(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
