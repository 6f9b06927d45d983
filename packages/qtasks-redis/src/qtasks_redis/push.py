r"""Messages that the server pushes to us: who listens to what, and what waits for whom.

The scripts publish `<topic>\n<body>` on the channel of a process or thread, or on the one of the namespace. The
connection that brings them is in `transport`; how a listener waits for them is in `aio` and `blocking`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from qtasks_redis.settings import BACKLOG


class Listener:
    """What has come to a topic since its listener was made.

    Args:
        topic: which.
        wait: waits until something has come to a listener, for some seconds at most.
    """

    def __init__(self, topic: bytes, wait: Callable[[Listener, float], Awaitable[None]]) -> None:
        self.topic = topic
        self.waiting: deque[bytes | None] = deque()
        """The bodies; None where messages may be missing."""
        self.wake: Callable[[], object] | None = None
        """Called when something comes while somebody waits for it."""
        self._wait = wait

    async def get(self, timeout_s: float) -> bytes | None:
        """Wait for a message of the topic; one call at a time.

        Args:
            timeout_s: for how long, seconds.

        Returns:
            its body; None when time is up, and also when messages may have been missed: look yourself then.
        """
        if not self.waiting:
            await self._wait(self, timeout_s)
        return self.waiting.popleft() if self.waiting else None

    def put(self, body: bytes | None) -> None:
        """Add what has come."""
        if len(self.waiting) >= BACKLOG:
            self.waiting.clear()
            body = None
        self.waiting.append(body)
        if self.wake is not None:
            self.wake()


class Subscriptions:
    """The listeners of one loop or thread, by topic; and what came before somebody listened, the last of it."""

    def __init__(self) -> None:
        self._listeners: dict[bytes, list[Listener]] = {}
        self._early: dict[bytes, bytes] = {}

    def add(self, listener: Listener) -> None:
        """Begin to listen."""
        self._listeners.setdefault(listener.topic, []).append(listener)
        if (body := self._early.pop(listener.topic, None)) is not None:
            listener.put(body)

    def remove(self, listener: Listener) -> None:
        """Cease to listen."""
        listeners = self._listeners[listener.topic]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[listener.topic]

    def receive(self, push: list[Any]) -> None:
        """Hand a pushed message to those who listen to its topic."""
        if push[0] == b"message":
            topic, _, body = push[2].partition(b"\n")
            for listener in self._listeners.get(topic, ()):
                listener.put(body)
            if topic not in self._listeners:
                self._early[topic] = body
                if len(self._early) > BACKLOG:
                    del self._early[next(iter(self._early))]

    def stir(self) -> None:
        """Tell every listener that messages may be missing."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.put(None)
