"""What Broker, Storage and GlobalConfig have in common: how they are made, opened and closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self, TypeVar

import attrs

from qtasks.types import SYSTEM_CLOCK, Clock

Other = TypeVar("Other", bound="Component")


@attrs.frozen
class BackendContext:
    """What a backend is told when it is made from a URL.

    Args:
        namespace: the application's name; everything that the backend keeps is below it.
        clock: the clocks to use where the backend has none of its own.
        dead_letter_cap: how many dead letters are kept per namespace; the oldest go first.
        stream_cap: how many values of one task's stream are kept.
        call_timeout_s: how long one call may take, seconds, beyond the time that it was asked to wait.
    """

    namespace: str = "QueueTasks"
    clock: Clock = SYSTEM_CLOCK
    dead_letter_cap: int = 10_000
    stream_cap: int = 10_000
    call_timeout_s: float = 5.0


@attrs.frozen
class Capabilities:
    """What a broker does by itself. What it lacks is emulated through the storage, or refused by name.

    Args:
        priority: `exact` (32 bits, lower first), `bands` (below 0, 0, above 0), or `none` (a priority
            other than 0 is refused).
        delay: messages with a due time wait in the broker.
        cancel: a queued message can be taken out.
        unique: keys of open tasks are enforced within a queue.
        pause: a queue can be paused for all workers.
        inspect: depths and ages can be read.
    """

    priority: Literal["exact", "bands", "none"] = "exact"
    delay: bool = True
    cancel: bool = True
    unique: bool = True
    pause: bool = True
    inspect: bool = True


@attrs.frozen
class Advice:
    """What a component says of the state of its server or file.

    Args:
        state: `ok`; `warning` for what may lose or expose data and may be meant so; `problem` for what keeps tasks
            from being run.
        found: how it is, one line.
        mend: the line that mends it; empty when nothing is to be mended.
    """

    state: Literal["ok", "warning", "problem"]
    found: str
    mend: str = ""


class Component(ABC):
    """A part of an application that reaches a server or a file.

    Life cycle: made (reaches nothing) -> `open` -> calls -> `close`. `open` and `close` may be called
    again. An object that was inherited through a fork opens anew by itself.
    """

    @classmethod
    @abstractmethod
    def from_url(cls, url: str, context: BackendContext) -> Self:
        """Make the component for a URL, without reaching anything yet.

        Raises:
            ConfigError: the URL has a part or a parameter that is not understood.
        """

    @abstractmethod
    def blocking(self) -> Self | None:
        """A view of this component whose coroutines never suspend: the transport of the sync face.

        Every coroutine of the view runs to its end in one `send(None)`, blocking the calling thread
        instead of an event loop, and may be called from any thread. None where the backend has no such
        transport: one background loop thread serves the sync face then.
        """

    def beside(self, kind: type[Other]) -> Other | None:  # noqa: ARG002 - for those who override it
        """A component of another class on the same server, in the same namespace, reached as this one is.

        For who gives an application this object, and not its siblings. None where the URL tells all that is needed, as
        by default, and where the class is of another backend.
        """
        return None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it connects, without secrets: fit for banners and logs."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, and create or check the layout.

        Raises:
            BackendError: it cannot be reached, read or understood; the hint says how to mend it.
        """

    @abstractmethod
    async def close(self) -> None:
        """Free what `open` took. Never raises for what is already gone."""

    async def advise(self) -> list[Advice]:
        """What people should know of the server or file: for `qtasks doctor`, and what is not ok for the banner too.

        Nothing by default.
        """
        return []
