"""The contract of the global config: settings that all processes of an application share."""

from __future__ import annotations

from abc import abstractmethod

from qtasks.ports.component import Component
from qtasks.types import JSON


class GlobalConfig(Component):
    """A shared key-value store with a watch. Names and keys are names, values are JSON."""

    @abstractmethod
    async def get(self, name: str, key: str) -> JSON:
        """One value; None when there is none."""

    @abstractmethod
    async def get_all(self, name: str) -> dict[str, JSON]:
        """All values below a name."""

    @abstractmethod
    async def get_match(self, name: str, pattern: str) -> dict[str, JSON]:
        """The values below a name whose keys fit a pattern with `*` and `?`."""

    @abstractmethod
    async def set(self, name: str, key: str, value: JSON) -> None:
        """Set one value; None deletes it."""

    @abstractmethod
    async def wait_change(self, version: int, timeout_s: float) -> int:
        """Wait until something was set since `version`.

        Args:
            version: what the last call returned; 0 at first.
            timeout_s: how long to wait, seconds; 0 asks at once.

        Returns:
            the version now: the same one when time is up.
        """
