"""The fields of one state in the storage: read together, and written where nobody has written meanwhile.

One value of the storage holds all of them, as a JSON object. The two faces are in `state.py`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qtasks.codec import decode_value, encode_value, restore
from qtasks.errors import ConfigError
from qtasks.ports import Storage

PAUSE_S = 0.001
"""How long at most to wait before the second attempt to write, seconds; doubled with each further one."""

LONGEST_PAUSE_S = 0.1
"""How long at most to wait before any attempt, seconds."""

Change = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Changes the fields that it is given, or returns new ones."""

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""


@dataclass(frozen=True, eq=False, slots=True)
class Fields:
    """Where one state is kept.

    Args:
        key: of the storage's value.
        types: those of the fields that are restored by annotation.
        ttl_s: forgotten so many seconds after it was written last; None is never.
        limit: how many bytes it may have.
    """

    key: str
    types: Mapping[str, Any]
    ttl_s: float | None
    limit: int

    async def read(self, storage: Storage) -> dict[str, Any]:
        """All fields; none when there is no such state."""
        data, _ = await storage.load_value(self.key)
        return self._decoded(data)

    async def change(self, storage: Storage, change: Change, pause: Pause) -> dict[str, Any]:
        """Change the fields in one step, as if nobody else were there.

        Args:
            storage: where they are.
            change: called with the fields, again whenever somebody else was faster.
            pause: waits for the next attempt.

        Returns:
            the fields as they were written.

        Raises:
            EncodeError: a value is none that can be stored.
            LimitError: they have become too large.
        """
        attempt = 0
        while True:
            data, version = await storage.load_value(self.key)
            fields = self._decoded(data)
            changed = change(fields)
            if changed is not None:
                fields = changed
            if await storage.save_value(self.key, self._encoded(fields), version, self.ttl_s):
                return fields
            # Each failure is the success of somebody else; at random, so that the same do not meet again.
            longest_s = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(attempt, 10))
            await pause(random.uniform(0, longest_s))  # noqa: S311 - no secret
            attempt += 1

    def _decoded(self, data: bytes | None) -> dict[str, Any]:
        fields: dict[str, Any] = {} if data is None else decode_value(data)
        for name in fields.keys() & self.types.keys():
            fields[name] = restore(encode_value(fields[name], name), self.types[name])
        return fields

    def _encoded(self, fields: dict[str, Any]) -> bytes | None:
        if not isinstance(fields, dict):
            raise ConfigError(
                f"modify: the function returned a {type(fields).__name__}; a dict or None was expected.",
                "Change the dict that it is given, in a plain `def`.",
            )
        return encode_value(fields, "state", limit=self.limit) if fields else None
