"""How a connection is opened on a database of our layout, which is in `schema.sql`."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import partial
from pathlib import Path
from urllib.parse import quote

from qtasks.backends.sqlite.location import Location
from qtasks.errors import BackendCorruptError, BackendError, BackendUnavailableError, LayoutError

LAYOUT = 1
"""`PRAGMA user_version` of the layout in `schema.sql`."""

APPLICATION_ID = int.from_bytes(b"QTsk")
"""`PRAGMA application_id`: by it `file` and we know the database for ours."""

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

_LOOK = """
SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)
FROM pragma_user_version, pragma_application_id"""

_read_text = partial(str, encoding="utf-8", errors="replace")
"""What somebody else has damaged must be readable enough to be buried."""


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
    file = f"file:{quote(location.path)}?mode={location.mode}"
    with contextlib.ExitStack() as undo:
        connection = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False, uri=True)
        undo.callback(connection.close)
        connection.execute(f"PRAGMA synchronous = {location.durability}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: fewer stops, for 16 MB of disk
        connection.execute(f"PRAGMA max_page_count = {location.max_pages}")  # 0 changes nothing
        connection.text_factory = _read_text
        layout = _find_layout(connection, location.path)
        if location.mode == "rw":
            _prepare(connection, location.path, layout)
        undo.pop_all()
    return connection


def _find_layout(connection: sqlite3.Connection, path: str) -> int:
    """The layout of the database; 0 when there is nothing in it."""
    [layout, application, tables] = connection.execute(_LOOK).fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise BackendCorruptError(f"{path} is the database of another program.", "Give QTasks a file of its own.")
    if layout > LAYOUT:
        raise LayoutError(
            f"The database {path} has layout {layout}; this version of QTasks knows up to {LAYOUT}.",
            "Upgrade: pip install -U qtasks-core",
        )
    return int(layout)


def _prepare(connection: sqlite3.Connection, path: str, layout: int) -> None:
    [journal] = connection.execute("PRAGMA journal_mode = wal").fetchone()
    if journal != "wal":
        raise BackendUnavailableError(
            f"The database {path} cannot have a write-ahead log; its journal mode is {journal}.",
            "Put it on a local disk: network file systems cannot share it.",
        )
    if layout == LAYOUT:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _find_layout(connection, path) < LAYOUT:  # otherwise another process was faster
        for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
    connection.execute("COMMIT")
