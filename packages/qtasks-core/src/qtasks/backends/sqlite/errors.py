"""What SQLite raises, as errors of QTasks: each with the file, the cause and the mend."""

from __future__ import annotations

import sqlite3

from qtasks.errors import (
    BackendCorruptError,
    BackendError,
    BackendFullError,
    BackendReadOnlyError,
    BackendUnavailableError,
)

_LOCKED = (BackendUnavailableError, "is locked by another process", "Find who holds it: fuser -v {path}")
_READ_ONLY = (BackendReadOnlyError, "cannot be written", "Check mode=ro in its URL, and the permissions of {path}")
_FULL_HINT = "Free disk space, then go on: nothing that was accepted is lost."
_CORRUPT_HINT = "Move it away and restart with a new one; sqlite3 {path} .recover saves what can be read."

_CAUSES: dict[int, tuple[type[BackendError], str, str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_FULL: (BackendFullError, "has no room left", _FULL_HINT),
    sqlite3.SQLITE_IOERR: (BackendFullError, "cannot be read or written: the disk refuses", _FULL_HINT),
    sqlite3.SQLITE_CORRUPT: (BackendCorruptError, "is damaged", _CORRUPT_HINT),
    sqlite3.SQLITE_NOTADB: (BackendCorruptError, "is not an SQLite database", _CORRUPT_HINT),
    sqlite3.SQLITE_CANTOPEN: (BackendUnavailableError, "cannot be opened", "Check that {path} exists and is a file."),
}
_UNKNOWN = (BackendError, "failed", "Report this if it comes again.")


def is_busy(error: sqlite3.Error) -> bool:
    """True when another connection holds the lock: the same call may succeed in a moment."""
    return _primary(error) == sqlite3.SQLITE_BUSY


def translate(error: sqlite3.Error, path: str) -> BackendError:
    """The error of QTasks for one of SQLite's."""
    kind, what, hint = _CAUSES.get(_primary(error), _UNKNOWN)
    return kind(f"The database {path} {what} ({error}).", hint.format(path=path))


def _primary(error: sqlite3.Error) -> int:
    """The primary result code; errors that the Python module itself raises have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
