"""Finding the server that holds our data: directly, by asking sentinels, or in a cluster.

All keys of an application have one hash tag, so in a cluster, too, one server at a time is ours. A node that is not
it says who is (`MOVED`), which `transport` follows: there is no map of slots here. The cluster client of redis-py has
one, but it repeats commands that may have been carried out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from qtasks.errors import BackendError, BackendUnavailableError
from redis.exceptions import AuthenticationError, RedisError

from qtasks_redis.connections import Link, arguments
from qtasks_redis.errors import translate
from qtasks_redis.location import Location, Node
from qtasks_redis.settings import CONNECT_TIMEOUT_S

LEAST_S = 1.0
"""What an attempt to connect has, even if the call that needs it has less left, seconds."""

Connect = Callable[[str, dict[str, Any], float], Awaitable[Link]]
"""Makes a link of a class of redis-py with these arguments, and connects within some seconds; raises RedisError or
OSError."""


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
        except (RedisError, OSError) as failure:
            raise translate(failure, self.location.redacted) from failure

    async def _ask_sentinel(self, sentinel: Node, deadline: float) -> Node:
        where = self.location.redacted
        try:
            try:
                address = await self._master(sentinel, deadline, password=False)
            except AuthenticationError:
                address = await self._master(sentinel, deadline, password=True)
        except (RedisError, OSError) as failure:
            raise translate(failure, where) from failure
        if address is None:
            hint = "SENTINEL MASTERS there lists the names of the services."
            raise BackendError(f"{where}: {sentinel} knows no such service.", hint)
        return Node(address[0].decode(), int(address[1]))

    async def _master(self, sentinel: Node, deadline: float, *, password: bool) -> list[bytes] | None:
        link = await self._open(sentinel, deadline, password=password, database=False)
        try:
            question = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.location.service
            answer: list[bytes] | Exception | None
            [answer] = await link.request([question], CONNECT_TIMEOUT_S)
        finally:
            await link.close()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _open(self, node: Node, deadline: float, *, password: bool, database: bool) -> Link:
        timeout_s = min(CONNECT_TIMEOUT_S, max(LEAST_S, deadline - time.monotonic()))
        class_name, given = arguments(self.location, node, password=password, database=database)
        return await self._connect(class_name, given, timeout_s)
