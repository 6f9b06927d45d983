"""Finding the server that holds our data: directly, by asking sentinels, or in a cluster.

All keys of an application have one hash tag, so in a cluster, too, one server at a time is ours. A node that is not
it says who is (`MOVED`), which `transport` follows: there is no map of slots here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from qtasks.errors import BackendError, BackendUnavailableError

from qtasks_redis.connections import Command, Link, introduction
from qtasks_redis.errors import RefusedError, WireError, translate
from qtasks_redis.location import Location, Node
from qtasks_redis.settings import CONNECT_TIMEOUT_S

LEAST_S = 1.0
"""What an attempt to connect has, even if the call that needs it has less left, seconds."""

Connect = Callable[[Node, float], Awaitable[Link]]
"""Connects to a node within some seconds; raises OSError."""


class Finder:
    """Finds the server of a location, again after each failover.

    Args:
        location: of whom.
        connect: makes links.
    """

    def __init__(self, location: Location, connect: Connect) -> None:
        self.location = location
        self.moved: Node | None = None
        """Where a node of a cluster said that our slot is; None while none did."""
        self.found = location.nodes[0]
        """Where the last link leads."""
        self._connect = connect

    async def find(self, deadline: float) -> Link:
        """Connect to the server.

        Args:
            deadline: until when, on the monotonic clock, seconds.

        Raises:
            BackendError: none of the nodes could be used; the error of the last.
        """
        nodes = random.sample(self.location.nodes, len(self.location.nodes))
        for node in [self.moved, *nodes] if self.moved else nodes:
            try:
                self.found = await self._ask_sentinel(node, deadline) if self.location.kind == "sentinel" else node
                return await self.visit(self.found, deadline)
            except (WireError, OSError) as failure:
                error = translate(failure, self.location.redacted)
                if not isinstance(error, BackendUnavailableError) or time.monotonic() >= deadline:
                    raise error from failure
                self.moved = None
        raise error

    async def visit(self, node: Node, deadline: float) -> Link:
        """Connect to one node; raises WireError and OSError."""
        link, _ = await self._open(node, deadline, introduction(self.location))
        return link

    async def _ask_sentinel(self, sentinel: Node, deadline: float) -> Node:
        try:
            address = await self._master(sentinel, deadline, password=False)
        except RefusedError as refusal:
            if refusal.code != "NOAUTH":
                raise
            address = await self._master(sentinel, deadline, password=True)
        if address is None:
            hint = "SENTINEL MASTERS there lists the names of the services."
            raise BackendError(f"{self.location.redacted}: {sentinel} knows no such service.", hint)
        return Node(address[0].decode(), int(address[1]))

    async def _master(self, sentinel: Node, deadline: float, *, password: bool) -> list[bytes] | None:
        commands = introduction(self.location, password=password, database=False)
        commands.append(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.location.service))
        link, replies = await self._open(sentinel, deadline, commands)
        link.close()
        master: list[bytes] | None = replies[-1]
        return master

    async def _open(self, node: Node, deadline: float, commands: list[Command]) -> tuple[Link, list[Any]]:
        """Connect to a node, and send the first commands; the first that is refused is raised."""
        timeout_s = min(CONNECT_TIMEOUT_S, max(LEAST_S, deadline - time.monotonic()))
        till = time.monotonic() + timeout_s
        link = await self._connect(node, timeout_s)
        broken: ConnectionError | None = None
        try:
            replies = await link.request(commands, till - time.monotonic())
        except ConnectionError as error:  # a server that has too many clients says so before it closes the connection
            replies, broken = list(link.heard), error
        failure = next((reply for reply in replies if isinstance(reply, RefusedError)), broken)
        if failure is not None:
            link.close()
            raise failure
        return link, replies
