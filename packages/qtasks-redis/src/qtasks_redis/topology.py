"""Finding the server that holds our data: directly, by asking sentinels, or in a cluster.

All keys of an application have one hash tag, so in a cluster, too, one server at a time is ours. A node that is not
it says who is (`MOVED`), which `transport` follows: there is no map of slots here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
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
        self._connect = connect

    async def find(self, deadline: float) -> Link:
        """Connect to the server.

        Args:
            deadline: until when, on the monotonic clock, seconds.

        Raises:
            BackendError: none of the nodes could be used; the error of the last.
        """
        nodes = random.sample(self.location.nodes, len(self.location.nodes))
        error: BackendError | None = None
        for node in [self.moved, *nodes] if self.moved else nodes:
            try:
                master = await self._ask_sentinel(node, deadline) if self.location.kind == "sentinel" else node
                return await self.visit(master, deadline)
            except BackendUnavailableError as failure:
                error = failure
                self.moved = None
        assert error is not None
        raise error

    async def visit(self, node: Node, deadline: float) -> Link:
        """Connect to one node; see `find`."""
        try:
            return await self._open(node, deadline, password=True, database=True)
        except (WireError, OSError) as failure:
            raise translate(failure, self.location.redacted) from failure

    async def _ask_sentinel(self, sentinel: Node, deadline: float) -> Node:
        where = self.location.redacted
        try:
            try:
                address = await self._master(sentinel, deadline, password=False)
            except RefusedError as refusal:
                if refusal.code != "NOAUTH":
                    raise
                address = await self._master(sentinel, deadline, password=True)
        except (WireError, OSError) as failure:
            raise translate(failure, where) from failure
        if address is None:
            hint = "SENTINEL MASTERS there lists the names of the services."
            raise BackendError(f"{where}: {sentinel} knows no such service.", hint)
        return Node(address[0].decode(), int(address[1]))

    async def _master(self, sentinel: Node, deadline: float, *, password: bool) -> list[bytes] | None:
        link = await self._open(sentinel, deadline, password=password, database=False)
        try:
            question = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.location.service
            [answer] = await _answers(link, [question], CONNECT_TIMEOUT_S)
        finally:
            link.close()
        master: list[bytes] | None = answer
        return master

    async def _open(self, node: Node, deadline: float, *, password: bool, database: bool) -> Link:
        timeout_s = min(CONNECT_TIMEOUT_S, max(LEAST_S, deadline - time.monotonic()))
        till = time.monotonic() + timeout_s
        link = await self._connect(node, timeout_s)
        try:
            first = introduction(self.location, password=password, database=database)
            await _answers(link, first, till - time.monotonic())
        except BaseException:
            link.close()
            raise
        return link


async def _answers(link: Link, commands: Sequence[Command], timeout_s: float) -> list[Any]:
    """The replies to commands; the first that was refused is raised."""
    replies = await link.request(commands, timeout_s)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
