"""What the SQLite backend's choices cost and save (`docs/explanation/decisions/0004-sqlite.md`).

    python benchmarks/sqlite_choices.py

How long one publish takes with the layout as it is and with what the decision leaves out; and how processes that drain
one queue get on when they pause on a locked database, and when they wait in SQLite's own busy handler.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.schema import APPLICATION_ID, LAYOUT
from qtasks.codec import encode_message
from qtasks.message import WIRE_VERSION, Envelope, Outcome, TaskMessage, new_id
from qtasks.ports import BackendContext
from qtasks.runtime import drive
from qtasks.types import TaskStatus

PUBLISHES, TASKS, ROUNDS = 10_000, 40_000, 3

KEY = "CREATE TABLE task (\n    seq INTEGER PRIMARY KEY"
COUNTER = """
CREATE TRIGGER counted AFTER INSERT ON task BEGIN UPDATE queue SET removed = removed + 1 WHERE id = new.queue; END;"""
LAYOUTS = {
    "as it is": lambda schema: schema,
    "with AUTOINCREMENT": lambda schema: schema.replace(KEY, f"{KEY} AUTOINCREMENT"),
    "with a counter": lambda schema: schema + COUNTER,
}
"""Of `schema.sql`, what is made of it."""


def open_broker(directory: str) -> SqliteBroker:
    """The blocking broker on the database in a directory."""
    broker = SqliteBroker.from_url(f"sqlite:///{directory}/queue.db", BackendContext()).blocking()
    drive(broker.open())
    return broker


def envelopes(count: int) -> list[Envelope]:
    """Small tasks."""
    made = [TaskMessage(WIRE_VERSION, new_id(), "QueueTasks", "default", "noop", [1], enqueued=1) for _ in range(count)]
    return [encode_message(message) for message in made]


def publish_us(layout: str) -> float:
    """Microseconds of one publish of one task; encoding left out."""
    schema = files("qtasks.backends.sqlite").joinpath("schema.sql").read_text()
    with tempfile.TemporaryDirectory() as directory:
        with closing(sqlite3.connect(Path(directory) / "queue.db")) as database:
            database.execute("PRAGMA journal_mode = wal")
            database.executescript(LAYOUTS[layout](schema))
            database.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};")
        broker = open_broker(directory)
        batches = [[envelope] for envelope in envelopes(PUBLISHES)]
        begin = time.perf_counter()
        for batch in batches:
            drive(broker.publish(batch))
        took = time.perf_counter() - begin
        drive(broker.close())
    return took / PUBLISHES * 1e6


def drain(directory: str, waits: bool, batch: int, begin: Any, answers: Any) -> None:
    """Take and finish until nothing is left; answer with the tasks run and the longest call, seconds."""
    broker, owner = open_broker(directory), new_id()
    if waits:
        broker.database.session().execute("PRAGMA busy_timeout = 5000")
    drive(broker.join(owner, "benchmark", 60))
    done, longest = 0, 0.0
    begin.wait()
    while True:
        before = time.perf_counter()
        taken = drive(broker.take(owner, ["default"], batch, 0))
        between = time.perf_counter()
        if not taken:
            break
        drive(broker.finish(owner, [Outcome(delivery, TaskStatus.SUCCESS, b"1") for delivery in taken]))
        longest = max(longest, between - before, time.perf_counter() - between)
        done += len(taken)
    answers.put((done, longest))
    drive(broker.close())


def drain_together(waits: bool, processes: int, batch: int) -> tuple[float, float, float]:
    """Tasks a second of all together, the largest share, and the longest call in seconds."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        broker = open_broker(directory)
        drive(broker.publish(envelopes(TASKS)))
        begin, answers = spawn.Barrier(processes + 1), spawn.Queue()
        drainers = [
            spawn.Process(target=drain, args=(directory, waits, batch, begin, answers)) for _ in range(processes)
        ]
        for drainer in drainers:
            drainer.start()
        begin.wait()
        started = time.perf_counter()
        found = [answers.get() for _ in drainers]
        took = time.perf_counter() - started
        for drainer in drainers:
            drainer.join()
        drive(broker.close())
    return TASKS / took, max(done for done, _ in found) / TASKS, max(longest for _, longest in found)


def main() -> None:
    """Measure and print, medians of all rounds; the variants take turns."""
    costs = [[publish_us(layout) for layout in LAYOUTS] for _ in range(ROUNDS)]
    for layout, figures in zip(LAYOUTS, zip(*costs, strict=True), strict=True):
        print(f"one publish, {layout}: {statistics.median(figures):.1f} us")
    for processes, batch in ((2, 10), (2, 1), (4, 10), (4, 1)):
        rounds = [[drain_together(waits, processes, batch) for waits in (True, False)] for _ in range(ROUNDS)]
        for name, figures in zip(("SQLite's wait", "pausing"), zip(*rounds, strict=True), strict=True):
            speed, share, longest = map(statistics.median, zip(*figures, strict=True))
            print(
                f"{processes} processes, batches of {batch}, {name}: {speed:,.0f} tasks/s, "
                f"largest share {share:.0%}, longest call {longest * 1000:.0f} ms"
            )


if __name__ == "__main__":
    main()
