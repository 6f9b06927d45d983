"""`AsyncState` and `SyncState`: what tasks see of their state, awaitable and blocking. How it is kept is elsewhere."""

from __future__ import annotations

import datetime as dt
import functools
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_origin, get_type_hints

from qtasks.options import seconds

from qtasks_plugins.states.fields import Change, Fields

if TYPE_CHECKING:
    from qtasks.app.application import Application
    from qtasks.runtime import Make, Runtime


class State:
    """What both faces have: which state it is. Programs subclass `AsyncState` or `SyncState`.

    A subclass is one state, shared by all tasks of the application on all workers. Fields that it annotates
    (`since: datetime`) are restored when they are read; others are JSON values.

    Args:
        app: the application in whose storage it is; tasks are given theirs.
        key: which one of several of the same class.

    Raises:
        ConfigError: its `ttl` is no duration.
    """

    name: ClassVar[str] = ""
    """What it is kept under; the name of the class where nothing is said."""

    ttl: ClassVar[float | str | dt.timedelta | None] = None
    """How long it is kept after it was last written: seconds, a text such as "1h", or a timedelta. None is for ever."""

    def __init__(self, app: Application, key: str = "") -> None:
        kind: Any = type(self)
        ttl_s = None if kind.ttl is None else seconds(kind.ttl, f"{kind.__name__}.ttl")
        stored = f"state:{kind.stored_name()}:{key}"
        self.key = key
        self._app = app
        self._runtime: Runtime = app.runtime
        self._fields: Fields = Fields(stored, _field_types(kind), ttl_s, app.config.max_payload_bytes)

    @classmethod
    def stored_name(cls) -> str:
        """What it is kept under."""
        return cls.name or cls.__name__

    def keyed(self, key: str) -> Self:
        """Another state of the same class: each key has fields of its own."""
        return type(self)(self._app, key)


class BlockingFields:
    """The methods of a state for `def` tasks. Nobody sees half a change, and none is lost.

    All of them raise BackendError when the storage does not answer.
    """

    def __init__(self, runtime: Runtime, fields: Fields) -> None:
        self._runtime = runtime
        self._fields = fields

    def get(self, name: str, default: Any = None) -> Any:
        """One field; the default when it is not there."""
        return self.get_all().get(name, default)

    def get_all(self) -> dict[str, Any]:
        """All fields; an empty dict when nothing was ever written, or its time is over."""
        fields: dict[str, Any] = self._run(lambda link: self._fields.read(link.storage))
        return fields

    def set(self, name: str, value: Any) -> None:
        """Write one field; the others stay.

        Raises:
            EncodeError: the value is none that can be stored.
            LimitError: the fields together take more than `max_payload_bytes`.
        """
        self.modify(_merging({name: value}))

    def update(self, /, **fields: Any) -> None:
        """Write several fields in one step, as `set` does one."""
        self.modify(_merging(fields))

    def modify(self, change: Change) -> dict[str, Any]:
        """Change what is there in one step, as if nobody else were there.

        Args:
            change: a plain function that is given the fields, and changes them or returns new ones. It is
                called again when somebody else was faster, so it must do nothing else.

        Returns:
            the fields as they were written.

        Raises:
            EncodeError: a value is none that can be stored.
            LimitError: the fields together take more than `max_payload_bytes`.
        """
        fields: dict[str, Any] = self._run(lambda link: self._fields.change(link.storage, change, _sleep))
        return fields

    def delete(self, name: str) -> None:
        """Remove one field, if it is there."""
        self.modify(_without(name))

    def clear(self) -> None:
        """Remove all fields."""
        self.modify(_nothing)

    def _run(self, make: Make[Any]) -> Any:
        what = "A blocking method of a state"
        return self._runtime.run_blocking(make, what, instead="an AsyncState", fires_hooks=False)


class SyncState(State, BlockingFields):
    """A state with blocking methods, for `def` tasks."""


class AsyncState(State):
    """A state with awaitable methods. What they do and raise is told at the blocking ones, which `.sync` has."""

    @property
    def sync(self) -> BlockingFields:
        """The same state with blocking methods, for `def` tasks."""
        return BlockingFields(self._runtime, self._fields)

    async def get(self, name: str, default: Any = None) -> Any:
        """One field; the default when it is not there."""
        return (await self.get_all()).get(name, default)

    async def get_all(self) -> dict[str, Any]:
        """All fields."""
        return await self._runtime.run_async(lambda link: self._fields.read(link.storage))

    async def set(self, name: str, value: Any) -> None:
        """Write one field; the others stay."""
        await self.modify(_merging({name: value}))

    async def update(self, /, **fields: Any) -> None:
        """Write several fields in one step."""
        await self.modify(_merging(fields))

    async def modify(self, change: Change) -> dict[str, Any]:
        """Change what is there in one step, as if nobody else were there."""
        from asyncio import sleep  # not with the application: its blocking face has no need of it

        return await self._runtime.run_async(lambda link: self._fields.change(link.storage, change, sleep))

    async def delete(self, name: str) -> None:
        """Remove one field, if it is there."""
        await self.modify(_without(name))

    async def clear(self) -> None:
        """Remove all fields."""
        await self.modify(_nothing)


def _merging(new: dict[str, Any]) -> Change:
    return lambda fields: {**fields, **new}


def _without(name: str) -> Change:
    return lambda fields: {other: value for other, value in fields.items() if other != name}


def _nothing(_fields: dict[str, Any]) -> dict[str, Any]:
    return {}


async def _sleep(duration_s: float) -> None:
    time.sleep(duration_s)  # noqa: ASYNC251 - for a blocking caller, who drives the coroutine


@functools.lru_cache(maxsize=256)
def _field_types(kind: type[State]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: hint for name, hint in hints.items() if hint is not ClassVar and get_origin(hint) is not ClassVar}
