"""Doorbells: datagram sockets by which processes wake each other instead of polling the database.

Who waits binds one and leaves its address in the database; who commits something sends there the keys of
what happened: ids of tasks, owners, names. A datagram is a hint and may get lost: those who wait also look
once per `POLL_S`. Who rings is in `session.py`, who listens in `database.py` and `loop.py`.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path

POLL_S = 1.0
"""How long anybody trusts that the bell would have rung."""

LONGEST_UNIX_PATH = 100
"""Bytes of a path that every platform takes as a socket's name."""

KEYS_PER_DATAGRAM = 100
_DATAGRAM_BYTES = 16 * 1024
_CROWD = 10
"""Linux queues as few datagrams for a socket by default: when as many are there, others were dropped."""

_UNIX = re.compile(r"unix:([0-9a-f]{8})", re.ASCII)
_UDP = re.compile(r"udp:(\d{1,5}):([0-9a-f]{16})", re.ASCII)


class Doorbell:
    """A socket of this process on which others ring.

    Args:
        directory: where the sockets of the database are. Where they cannot be, the bell is a UDP socket on
            127.0.0.1 with a token that strangers do not know.
    """

    def __init__(self, directory: str) -> None:
        self._pid = os.getpid()
        self._path = ""
        self._token = b""
        try:
            self.socket, self.address = self._bind_unix(directory)
        except OSError:
            self.socket, self.address = self._bind_udp()

    def _bind_unix(self, directory: str) -> tuple[socket.socket, str]:
        name = os.urandom(4).hex()
        path = Path(directory, name)
        if not hasattr(socket, "AF_UNIX") or len(os.fsencode(path)) > LONGEST_UNIX_PATH:
            raise OSError
        path.parent.mkdir(mode=0o700, exist_ok=True)
        remove_dead(directory)
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            bell.bind(str(path))
        except OSError:
            bell.close()
            raise
        self._path = str(path)
        return bell, f"unix:{name}"

    def _bind_udp(self) -> tuple[socket.socket, str]:
        bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bell.bind(("127.0.0.1", 0))
        token = os.urandom(8).hex()
        self._token = token.encode()
        return bell, f"udp:{bell.getsockname()[1]}:{token}"

    def heard(self, timeout_s: float = 0.0) -> set[str] | None:
        """Take what was rung so far, or wait for the first ring.

        Returns:
            the keys; None when there was so much that some may be missing.
        """
        keys: set[str] = set()
        for turn in range(_CROWD):
            self.socket.settimeout(0.0 if turn else timeout_s)
            try:
                datagram = self.socket.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing, or nothing more
                return keys
            token, _, names = datagram.partition(b" ")
            if hmac.compare_digest(token, self._token):
                keys.update(names.decode(errors="replace").split())
        return None

    def close(self) -> None:
        """Free the socket; its file goes only with the process that made it, not with a fork of that."""
        self.socket.close()
        if self._path and self._pid == os.getpid():
            Path(self._path).unlink(missing_ok=True)


class Ringer:
    """Rings the doorbells of others.

    Args:
        directory: where the sockets of the database are.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._sockets: dict[int, socket.socket] = {}

    def ring(self, address: str, keys: Iterable[str]) -> None:
        """Send keys to an address; one that is gone, full or nonsense is passed over."""
        if match := _UNIX.fullmatch(address):
            family, target, token = getattr(socket, "AF_UNIX", 0), f"{self._directory}/{match[1]}", ""
        elif match := _UDP.fullmatch(address):
            family, target, token = socket.AF_INET, ("127.0.0.1", int(match[1])), match[2]
        else:
            return
        if family not in self._sockets:
            self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            self._sockets[family].setblocking(False)
        names = list(keys)
        with contextlib.suppress(OSError, OverflowError):
            for start in range(0, len(names), KEYS_PER_DATAGRAM):
                datagram = f"{token} {' '.join(names[start : start + KEYS_PER_DATAGRAM])}"
                self._sockets[family].sendto(datagram.encode(errors="replace"), target)

    def close(self) -> None:
        """Free the sockets."""
        while self._sockets:
            self._sockets.popitem()[1].close()


def remove_dead(directory: str) -> None:
    """Remove the sockets of processes that were killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        for path in Path(directory).iterdir():
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:  # gone meanwhile, or no socket
                continue
