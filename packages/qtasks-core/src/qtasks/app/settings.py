"""The global config as the application uses it: any backend's, with the hooks around its calls."""

from __future__ import annotations

from qtasks.hooks import Dispatch
from qtasks.ports import GlobalConfig
from qtasks.types import JSON


class Settings:
    """The calls of a global config with their hooks, which are given the backend: a call in a hook fires no hook.

    Args:
        backend: keeps the values.
        hooks: the application's.
    """

    def __init__(self, backend: GlobalConfig, hooks: Dispatch) -> None:
        self.backend = backend
        self._hooks = hooks

    def blocking(self) -> Settings | None:
        """The same around the backend's blocking view; None where it has none."""
        view = self.backend.blocking()
        return None if view is None else Settings(view, self._hooks)

    async def get(self, name: str, key: str) -> JSON:
        """One value, then `global_config_get`."""
        found = await self.backend.get(name, key)
        answer: JSON = await self._hooks.global_config_get(global_config=self.backend, get=found)
        return answer

    async def get_all(self, name: str) -> dict[str, JSON]:
        """All values, then `global_config_get_all`."""
        found = await self.backend.get_all(name)
        answer: dict[str, JSON] = await self._hooks.global_config_get_all(global_config=self.backend, get=found)
        return answer

    async def get_match(self, name: str, pattern: str) -> dict[str, JSON]:
        """The values that fit, then `global_config_get_match`."""
        found = await self.backend.get_match(name, pattern)
        answer: dict[str, JSON] = await self._hooks.global_config_get_match(global_config=self.backend, get=found)
        return answer

    async def set(self, name: str, key: str, value: JSON) -> None:
        """`global_config_set`, then write what it made of the value."""
        made = await self._hooks.global_config_set(global_config=self.backend, name_=name, key=key, value=value)
        name, key, value = made["name_"], made["key"], made["value"]
        await self.backend.set(name, key, value)

    async def wait_change(self, version: int, timeout_s: float) -> int:
        """Wait until something was set since `version`; see `GlobalConfig.wait_change`."""
        return await self.backend.wait_change(version, timeout_s)
