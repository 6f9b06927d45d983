"""What SQLite raises, as errors of QTasks: each with the file, the cause and the mend."""

from __future__ import annotations

import sqlite3

from qtasks import errors

_FULL_HINT = "Free disk space and go on: nothing that was accepted is lost."
_CORRUPT_HINT = "Move it away and begin a new one; sqlite3 {path} .recover saves what can be read."
_CAUSES = {
    sqlite3.SQLITE_BUSY: (errors.BackendUnavailableError, "is locked", "Find who holds it: fuser -v {path}"),
    sqlite3.SQLITE_CANTOPEN: (errors.BackendUnavailableError, "cannot be opened", "Check that {path} is a file."),
    sqlite3.SQLITE_READONLY: (errors.BackendReadOnlyError, "is read-only", "Check its URL and its permissions."),
    sqlite3.SQLITE_FULL: (errors.BackendFullError, "has no room left", _FULL_HINT),
    sqlite3.SQLITE_IOERR: (errors.BackendFullError, "is refused by the disk", _FULL_HINT),
    sqlite3.SQLITE_CORRUPT: (errors.BackendCorruptError, "is damaged", _CORRUPT_HINT),
    sqlite3.SQLITE_NOTADB: (errors.BackendCorruptError, "is not one of SQLite", _CORRUPT_HINT),
}
_UNKNOWN = errors.BackendError, "failed", "Report this if it comes again."


def is_busy(error: sqlite3.Error) -> bool:
    """True when another connection holds the lock: the same call may succeed in a moment."""
    return _primary_code(error) == sqlite3.SQLITE_BUSY


def translate(error: sqlite3.Error, path: str) -> errors.BackendError:
    """The error of QTasks for one of SQLite's."""
    kind, what, hint = _CAUSES.get(_primary_code(error), _UNKNOWN)
    return kind(f"The database {path} {what} ({error}).", hint.format(path=path))


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # none where the Python module itself complains
