"""One connection to a server: what we ask of it, how it introduces itself, and how replies are read.

How bytes get there is in `aio` and `blocking`; hiredis packs commands and reads replies. redis-py is not used: its
connections cost as much again as the command itself, and its clients repeat commands that may have been carried out
(`docs/explanation/decisions/0007-redis-connections.md`).
"""

from __future__ import annotations

import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hiredis import Reader, pack_command
from qtasks.errors import BackendError

from qtasks_redis.errors import GarbledError, RefusedError
from qtasks_redis.location import Location
from qtasks_redis.settings import CLIENT_NAME, KEEPALIVE_S

Argument = str | bytes | int | float
"""What a command may be made of."""

Command = tuple[Argument, ...]


def pack(commands: Sequence[Command]) -> bytes:
    """Commands as the server reads them."""
    return b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]  # it says: one item


def new_reader() -> Reader:
    """What makes replies of bytes; what a server refuses is among them, as a `RefusedError`."""
    return Reader(protocolError=GarbledError, replyError=RefusedError)


def introduction(location: Location, *, password: bool = True, database: bool = True) -> list[Command]:
    """The first commands of a connection.

    Args:
        location: the credentials and the database.
        password: whether to show the credentials.
        database: whether to select the database; sentinels have none.
    """
    commands: list[Command] = []
    if password and (location.username or location.password):
        user = (location.username,) if location.username else ()
        commands.append(("AUTH", *user, location.password))
    commands.append(("CLIENT", "SETNAME", CLIENT_NAME))
    if database and location.database:
        commands.append(("SELECT", location.database))
    return commands


def encryption(location: Location) -> ssl.SSLContext | None:
    """How to encrypt, the server's certificate being checked; None for a plain connection.

    Files are read anew for each connection, so those that are renewed need no restart.

    Raises:
        BackendError: a file is missing, or holds something else.
    """
    if not location.tls:
        return None
    ours = [name for name in (location.ssl_certfile, location.ssl_keyfile) if name]
    try:
        context = ssl.create_default_context(cafile=location.ssl_ca_certs or None)
        if location.ssl_certfile:
            context.load_cert_chain(*ours)
    except OSError as error:
        names = ", ".join([location.ssl_ca_certs, *ours])
        text = f"{location.redacted} names files for TLS that cannot be used ({names}): {error}."
        raise BackendError(text, "Each has to be there, readable, and in the format PEM.") from error
    return context


def set_options(sock: Any) -> None:
    """The options of a socket over a network: small packets go at once, and firewalls do not forget it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE_S.items():
        if hasattr(socket, name):  # not all on macOS
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Link(ABC):
    """One connection, used by one caller at a time."""

    used: float
    """When it was last found to work, on the monotonic clock, seconds."""

    heard: Sequence[Any] = ()
    """What has come of the replies to a request that failed."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """False once it is broken or closed: it never recovers."""

    @abstractmethod
    def is_clean(self) -> bool:
        """Whether nothing has come that nobody asked for, such as the end of the connection."""

    @abstractmethod
    async def request(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Send commands and wait for their replies; errors that the server answered are among them, as values.

        What goes wrong otherwise closes the link, and the commands may have been carried out.

        Raises:
            WireError: what was answered is no reply.
            OSError: the connection broke, or time was up.
        """

    @abstractmethod
    def send(self, *commands: Command) -> None:
        """Send commands whose replies are read as pushed messages are."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""
