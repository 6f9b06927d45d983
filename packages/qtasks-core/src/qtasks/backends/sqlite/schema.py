"""The layout of the database, and how a connection is opened on it.

One table holds a task's record and its place in the queue at once, so that one statement moves both. A
task's `state` is `ready`, `delayed` or `process` while it is open, `stored` when its queue is another
broker's, and afterwards the terminal status. Partial indexes keep each move as cheap in a table of a
million tasks as in one of ten: a task that has ended is in the index of its id and that of its retention.

`seq` is no AUTOINCREMENT: that costs every commit a page (measured, 6 of 41 µs), and a reused number does
no harm, because whoever writes by it also names the task's id.
"""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from qtasks.backends.sqlite.location import Location
from qtasks.errors import BackendCorruptError, BackendError, BackendUnavailableError, LayoutError

LAYOUT = 1
"""`PRAGMA user_version` of the layout below."""

APPLICATION_ID = int.from_bytes(b"QTsk")
"""`PRAGMA application_id`: by it `file` and we know the database for ours."""

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

SCHEMA = """
CREATE TABLE space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config_version INTEGER NOT NULL DEFAULT 0) STRICT

CREATE TABLE queue (
    id INTEGER PRIMARY KEY, space INTEGER NOT NULL, name TEXT NOT NULL, paused INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0, UNIQUE (space, name)
) STRICT

CREATE TABLE incarnation (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    lease INTEGER NOT NULL, boot TEXT NOT NULL, until INTEGER NOT NULL
) STRICT

CREATE TABLE task (
    seq INTEGER PRIMARY KEY, space INTEGER NOT NULL, queue INTEGER NOT NULL, priority INTEGER NOT NULL,
    state TEXT NOT NULL, owner INTEGER, token INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0, truncated INTEGER NOT NULL DEFAULT 0,
    enqueued INTEGER NOT NULL, due INTEGER NOT NULL, expires INTEGER, started INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL, keep_until INTEGER, id TEXT NOT NULL, name TEXT NOT NULL, ukey TEXT, reply_to TEXT,
    worker TEXT NOT NULL DEFAULT '', cancel_reason TEXT, child TEXT, payload BLOB NOT NULL, result BLOB, error BLOB,
    history TEXT NOT NULL DEFAULT ''
) STRICT

CREATE UNIQUE INDEX task_id ON task (id, space)

CREATE UNIQUE INDEX task_unique ON task (ukey, space) WHERE ukey IS NOT NULL

CREATE INDEX task_ready ON task (queue, priority, seq) WHERE state = 'ready'

CREATE INDEX task_delayed ON task (due, queue) WHERE state = 'delayed'

CREATE INDEX task_expires ON task (expires) WHERE expires IS NOT NULL

CREATE INDEX task_owner ON task (owner) WHERE owner IS NOT NULL

CREATE INDEX task_keep ON task (keep_until) WHERE keep_until IS NOT NULL

CREATE INDEX task_failed ON task (space, state, updated) WHERE error IS NOT NULL

CREATE TABLE stream (
    task INTEGER NOT NULL, place INTEGER NOT NULL, attempt INTEGER NOT NULL, token INTEGER NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (task, place)
) STRICT, WITHOUT ROWID

CREATE TRIGGER task_gone AFTER DELETE ON task BEGIN DELETE FROM stream WHERE task = old.seq; END

CREATE TABLE idle (
    owner TEXT NOT NULL, queue INTEGER NOT NULL, address TEXT NOT NULL, UNIQUE (queue, owner)
) STRICT

CREATE TABLE waiter (
    key TEXT NOT NULL, address TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (key, address)
) STRICT, WITHOUT ROWID

CREATE TABLE value (
    version INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    until INTEGER, UNIQUE (space, key)
) STRICT

CREATE TABLE report (
    space INTEGER NOT NULL, owner TEXT NOT NULL, beat INTEGER NOT NULL, facts BLOB NOT NULL, PRIMARY KEY (space, owner)
) STRICT, WITHOUT ROWID

CREATE TABLE counts (
    space INTEGER NOT NULL, task TEXT NOT NULL, counts BLOB NOT NULL, PRIMARY KEY (space, task)
) STRICT, WITHOUT ROWID

CREATE TABLE config (
    space INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (space, name, key)
) STRICT, WITHOUT ROWID
"""


def connect(location: Location) -> sqlite3.Connection:
    """Open a connection that never waits for a lock, on a database of our layout; make that where it is missing.

    Raises:
        BackendError: the file is another program's, newer than this version, or not on a local disk.
        sqlite3.Error: SQLite refused; `errors.translate` tells why.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise BackendError(
            f"SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer is needed; this Python has {sqlite3.sqlite_version}.",
            "Use a Python that was built with a newer SQLite.",
        )
    if location.mode == "rw":
        location.create()
    connection = sqlite3.connect(
        f"file:{quote(location.path)}?mode={location.mode}",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=200,
    )
    try:
        _configure(connection, location)
        _check_layout(connection, location)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, location: Location) -> None:
    connection.execute(f"PRAGMA synchronous = {location.durability}")
    connection.execute("PRAGMA cache_size = -16000")  # KiB: the indexes of a million open tasks
    connection.execute("PRAGMA temp_store = memory")
    if location.max_pages is not None:
        connection.execute(f"PRAGMA max_page_count = {location.max_pages}")


def _check_layout(connection: sqlite3.Connection, location: Location) -> None:
    layout = _layout(connection, location)
    if layout > LAYOUT:
        raise LayoutError(
            f"The database {location.path} has layout {layout}; this version of QTasks knows {LAYOUT}.",
            "Upgrade: pip install -U qtasks-core",
        )
    if location.mode == "rw" and layout < LAYOUT:
        journal = connection.execute("PRAGMA journal_mode = wal").fetchone()[0]
        if journal != "wal":
            raise BackendUnavailableError(
                f"The database {location.path} cannot have a write-ahead log (journal mode {journal}).",
                "Put it on a local disk: network file systems cannot share it.",
            )
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _layout(connection, location) < LAYOUT:  # or another process was faster
                for statement in SCHEMA.split("\n\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {LAYOUT}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _layout(connection: sqlite3.Connection, location: Location) -> int:
    """The layout of the database; 0 for an empty one."""
    [layout] = connection.execute("PRAGMA user_version").fetchone()
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise BackendCorruptError(
            f"The database {location.path} belongs to another program.", "Give QTasks a file of its own in the URL."
        )
    return int(layout)
