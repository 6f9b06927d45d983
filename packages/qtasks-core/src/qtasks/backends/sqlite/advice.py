"""What people should know of a database file: what it survives, and who else may read it."""

from __future__ import annotations

import shlex
from pathlib import Path

from qtasks.backends.sqlite.location import Location
from qtasks.backends.sqlite.session import Session
from qtasks.ports import Advice


def look(session: Session, location: Location) -> list[Advice]:
    """Look at the journal of the database, and at the permissions of its file."""
    [journal] = session.execute("PRAGMA journal_mode").fetchone()
    [layout] = session.execute("PRAGMA user_version").fetchone()
    survives = "a power cut" if location.durability == "full" else "the death of any process, but not a power cut"
    found = f"layout {layout}, journal {journal}, durability {location.durability}: tasks survive {survives}"
    mend = "" if journal == "wal" else "No other program may change the journal mode, which has to be wal."
    advice = [Advice("problem" if mend else "ok", found, mend)]
    if Path(location.path).stat().st_mode & 0o077:
        command = f"chmod 600 {shlex.quote(location.path)}"
        advice.append(Advice("warning", "other users can open the file", command))
    return advice
