"""The global config on Redis: one hash, with a version that moves at every change."""

from __future__ import annotations

import re
import time

from qtasks.codec import decode_value, encode_value
from qtasks.ports import GlobalConfig
from qtasks.types import JSON

from qtasks_redis.component import RedisComponent
from qtasks_redis.storage import POLL_S

_CHANNEL_TOPIC = b"config"


class RedisGlobalConfig(RedisComponent, GlobalConfig):
    """Settings that all processes share which use the server."""

    async def get(self, name: str, key: str) -> JSON:
        """One setting."""
        found = await self._look_up("HGET", "config", f"{name}\0{key}")
        return None if found is None else decode_value(found)

    async def get_all(self, name: str) -> dict[str, JSON]:
        """The settings below a name."""
        return await self.get_match(name, "*")

    async def get_match(self, name: str, pattern: str) -> dict[str, JSON]:
        """The settings below a name that fit a pattern, in which only `*` and `?` are special."""
        flat = await self._look_up("HGETALL", "config")
        fits = re.compile("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern), re.DOTALL)
        found: dict[str, JSON] = {}
        for field, value in zip(flat[::2], flat[1::2], strict=True):
            below, _, key = field.decode(errors="replace").partition("\0")
            if below == name and fits.fullmatch(key):
                found[key] = decode_value(value)
        return found

    async def set(self, name: str, key: str, value: JSON) -> None:
        """Keep a setting or drop it; tell those who watch."""
        text = b"" if value is None else encode_value(value, f"{name}.{key}")
        await self._run("set", f"{name}\0{key}", text)

    async def wait_change(self, version: int, timeout_s: float) -> int:
        """Wait for the next change of any setting."""
        deadline = time.monotonic() + timeout_s
        if timeout_s > 0:
            await self._transport.subscribe()
        with self._transport.listen(_CHANNEL_TOPIC) as news:
            while True:
                now = self._integer("config-version", await self._look_up("GET", "config-version"))
                left_s = deadline - time.monotonic()
                if now != version or left_s <= 0:
                    return now
                await news.get(min(left_s, POLL_S))
