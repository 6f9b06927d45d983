"""The global config over a store: settings kept encoded, so that no reader can change them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from qtasks.backends.memory.state import State
from qtasks.backends.memory.store import MemoryComponent, method
from qtasks.codec import decode_value, encode_value
from qtasks.ports import GlobalConfig
from qtasks.types import JSON


def get(state: State, name: str, key: str) -> JSON:
    """One setting."""
    return get_all(state, name).get(key)


def get_all(state: State, name: str) -> dict[str, JSON]:
    """The settings below a name."""
    return {key: decode_value(value) for key, value in state.settings.get(name, {}).items()}


def get_match(state: State, name: str, pattern: str) -> dict[str, JSON]:
    """The settings below a name that fit a pattern, in which only `*` and `?` are special."""
    pattern = pattern.replace("[", "[[]")
    return {key: value for key, value in get_all(state, name).items() if fnmatchcase(key, pattern)}


def set_(state: State, name: str, key: str, value: JSON) -> None:
    """Keep a setting, or drop it for None."""
    settings = state.settings.setdefault(name, {})
    if value is not None:
        settings[key] = encode_value(value, key)
    else:
        settings.pop(key, None)
    state.settings_version += 1
    state.news = True


class MemoryGlobalConfig(MemoryComponent, GlobalConfig):
    """Settings that the applications of one process share."""

    get = method(get)
    get_all = method(get_all)
    get_match = method(get_match)
    set = method(set_)

    async def wait_change(self, version: int, timeout_s: float) -> int:
        """Wait for the next change of any setting."""

        def answer(state: State) -> int | None:
            return None if state.settings_version == version else state.settings_version

        changed = await self._until(answer, timeout_s)
        return version if changed is None else changed
