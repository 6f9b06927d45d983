"""Dead letters as facts: each one, and grouped by what they died of. Replaying is `qtasks.app.dead_letters`."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from qtasks.codec import decode_message
from qtasks.errors import MalformedMessageError
from qtasks.message import ErrorInfo, Record, TaskMessage
from qtasks.stats.facts import DeadGroup, DeadLetter

_VARIES = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+", re.IGNORECASE)
"""What differs between errors that are alike: addresses, ids, numbers."""


def message_of(record: Record) -> TaskMessage | None:
    """The envelope of a record; None when its bytes are none."""
    try:
        return decode_message(record.payload, limit=len(record.payload))
    except MalformedMessageError:
        return None


def error_line(error: ErrorInfo | None) -> str:
    """An error as "Type: text"; empty for none."""
    return "" if error is None else f"{error.type}: {error.text}"


def letter_of(record: Record) -> DeadLetter:
    """What people see of a dead record."""
    message = message_of(record)
    task, queue = ("", "") if message is None else (message.task, message.queue)
    error = error_line(record.error)
    alike = f"{task}: {_VARIES.sub('#', error)}"
    group = f"{zlib.crc32(alike.encode()):08x}"
    return DeadLetter(record.id, record.updated, task, queue, error, group, record.child)


def groups_of(letters: Iterable[DeadLetter]) -> list[DeadGroup]:
    """Group letters, given the newest first, by their fingerprint. Those that were replayed are left out.

    Returns:
        the groups, the largest first.
    """
    alike: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        if letter.child is None:
            alike.setdefault(letter.group, []).append(letter)
    groups = [
        DeadGroup(key, len(group), group[0].task, group[0].error, group[-1].died, group[0].died, group[0].id)
        for key, group in alike.items()
    ]
    return sorted(groups, key=lambda group: -group.count)
