"""The global config in an SQLite database."""

from __future__ import annotations

from qtasks.backends.sqlite.database import SqliteComponent, method
from qtasks.backends.sqlite.moves import notify
from qtasks.backends.sqlite.session import Session
from qtasks.backends.sqlite.shared import load, store
from qtasks.codec import decode_value, encode_value
from qtasks.ports import GlobalConfig
from qtasks.types import JSON

_VERSION = "SELECT max(version) FROM value WHERE space = ? AND kind GLOB 'config:*'"


def get_match(session: Session, name: str, pattern: str) -> dict[str, JSON]:
    """The settings below a name that fit a pattern, in which only `*` and `?` are special."""
    return {key: decode_value(value) for key, value in load(session, f"config:{name}", pattern).items()}


def set_(session: Session, name: str, key: str, value: JSON) -> None:
    """Keep a setting, or the fact that it was dropped; wake those who watch."""
    store(session, f"config:{name}", key, None if value is None else encode_value(value, f"{name}.{key}"))
    notify(session, [f"config:{session.context.namespace}"])


class SqliteGlobalConfig(SqliteComponent, GlobalConfig):
    """Settings that all processes share which have the file open."""

    get_match = method(get_match, Session.read)
    set = method(set_)

    async def get(self, name: str, key: str) -> JSON:
        """One setting."""
        return (await self.get_all(name)).get(key)

    async def get_all(self, name: str) -> dict[str, JSON]:
        """The settings below a name."""
        return await self.get_match(name, "*")

    async def wait_change(self, version: int, timeout_s: float) -> int:
        """Wait for the next change of any setting."""

        def answer(session: Session) -> int | None:
            [now] = session.execute(_VERSION, (session.space,)).fetchone()
            return None if now in {None, version} else int(now)

        changed = await self._until(f"config:{self.database.context.namespace}", answer, timeout_s)
        return version if changed is None else changed
