"""Connections of redis-py, held directly: how they are made for a URL, and what we ask of one.

Its clients and pools are not used. They repeat commands after errors, which a call that may have been carried out
forbids, and they cost as much again as the command itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

from qtasks_redis.location import Location, Node
from qtasks_redis.settings import CONNECTION, TCP

Argument = str | bytes | int | float
"""What a command may be made of."""

Command = tuple[Argument, ...]

REPLIES = ResponseError, BusyLoadingError, AuthenticationError
"""The errors of redis-py that a server answered; after them the connection is in step."""


def pack(commands: Sequence[Command]) -> bytes:
    """Commands as the server reads them; redis-py does it in Python on the asynchronous side, at 7 µs a command."""
    return b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]  # it says: one item


class Link(ABC):
    """One connection, used by one caller at a time."""

    used: float
    """When it was last found to work, on the monotonic clock, seconds."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """False once it is broken or closed: it never recovers."""

    @abstractmethod
    async def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for, such as the end of the connection."""

    @abstractmethod
    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies; errors that the server answered are among them, as values.

        What goes wrong otherwise closes the link, and the commands may have been carried out.

        Raises:
            RedisError: the connection broke.
            OSError: the connection broke, or time was up.
        """

    @abstractmethod
    async def read(self, timeout_s: float) -> Any:
        """Wait for a pushed message; None when time is up."""

    @abstractmethod
    async def send(self, *commands: Command) -> None:
        """Send commands whose replies `read` gives."""

    @abstractmethod
    async def close(self) -> None:
        """Close it."""


def arguments(location: Location, node: Node, *, password: bool, database: bool) -> tuple[str, dict[str, Any]]:
    """The name of the class of redis-py, and its arguments.

    Args:
        location: the credentials, the database and how to encrypt.
        node: where to.
        password: whether to show the credentials.
        database: whether to select the database; sentinels have none.
    """
    given: dict[str, Any] = dict(CONNECTION)
    if password:
        given |= {"username": location.username or None, "password": location.password or None}
    if database:
        given["db"] = location.database
    if node.port == 0:
        return "UnixDomainSocketConnection", given | {"path": node.host}
    given |= TCP | {"host": node.host, "port": node.port}
    if not location.tls:
        return "Connection", given
    given |= {name: getattr(location, name) or None for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
    return "SSLConnection", given | {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
