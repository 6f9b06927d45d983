"""Doorbells: datagram sockets by which processes wake each other instead of polling the database.

Who waits binds one and leaves its address in the database; who commits something sends there the names of
what happened: ids of tasks, owners. A datagram is a hint and may get lost, so those who wait also look once
per `POLL_S`. How coroutines listen is in `loop.py`.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

POLL_S = 1.0
"""How long anybody trusts that the bell would have rung."""

_LONGEST_PATH = 100
"""Bytes of a path that every platform takes as a socket's name."""

_NAMES_PER_DATAGRAM = 100
_DATAGRAM_BYTES = 16 * 1024
_CROWD = 10
"""Linux queues as few datagrams for a socket by default: when as many are there, others were dropped."""

_ADDRESS = re.compile(r"(unix|udp):([0-9a-f]{1,8}):([0-9a-f]{16})", re.ASCII)
_FAMILIES = {"unix": getattr(socket, "AF_UNIX", None), "udp": socket.AF_INET}


class Doorbell:
    """A socket on which others ring; its owner is a thread, and blocks while it waits.

    Args:
        directory: where the sockets of the database are. Where they cannot be, the bell is a UDP socket on
            127.0.0.1. A token in its address keeps strangers from ringing.
    """

    def __init__(self, directory: str) -> None:
        self._pid = os.getpid()
        self._path = Path(directory, os.urandom(4).hex())
        self._token = os.urandom(8).hex()
        try:
            self._bind_unix()
            self.address = f"unix:{self._path.name}:{self._token}"
        except OSError:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
            self.address = f"udp:{self.socket.getsockname()[1]}:{self._token}"

    def _bind_unix(self) -> None:
        if not hasattr(socket, "AF_UNIX") or len(os.fsencode(self._path)) > _LONGEST_PATH:
            raise OSError
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        _remove_dead(self._path.parent)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self._path))

    @staticmethod
    def caller() -> object:
        """Who could own a doorbell here and now."""
        return threading.get_ident()

    @staticmethod
    async def pause(pause_s: float) -> None:
        """Let some time pass."""
        time.sleep(pause_s)  # noqa: ASYNC251 - the blocking face never suspends

    async def heard(self, name: str, timeout_s: float) -> bool:
        """Wait until a name is rung; False when time is up."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            names = self.receive(left_s)
            if names is None or name in names:
                return True
        return False

    def receive(self, timeout_s: float = 0.0) -> set[str] | None:
        """Take the names that were rung, or wait for the first; None when there were so many that some are missing."""
        names: set[str] = set()
        for turn in range(_CROWD):
            self.socket.settimeout(0.0 if turn else timeout_s)
            try:
                token, *more = self.socket.recv(_DATAGRAM_BYTES).decode("ascii", "replace").split(" ")
            except OSError:  # nothing, or nothing more
                return names
            if hmac.compare_digest(token.encode(), self._token.encode()):
                names.update(more)
        return None

    def is_abandoned(self) -> bool:
        """True when nobody can listen any more."""
        return False

    def close(self) -> None:
        """Free the socket; its file goes with the process that made it, not with a fork of that."""
        self.socket.close()
        if self._pid == os.getpid():
            self._path.unlink(missing_ok=True)


def ring(directory: str, address: str, names: Sequence[str]) -> None:
    """Send names to an address; one that is gone, full or nonsense is passed over."""
    match = _ADDRESS.fullmatch(address)
    if not match or (family := _FAMILIES[match[1]]) is None:
        return
    with contextlib.suppress(OSError, OverflowError, ValueError), socket.socket(family, socket.SOCK_DGRAM) as sender:
        target = ("127.0.0.1", int(match[2])) if match[1] == "udp" else f"{directory}/{match[2]}"
        sender.setblocking(False)
        for start in range(0, len(names), _NAMES_PER_DATAGRAM):
            some = " ".join((match[3], *names[start : start + _NAMES_PER_DATAGRAM]))
            sender.sendto(some.encode("ascii", "replace"), target)


def _remove_dead(directory: Path) -> None:
    """Remove the sockets of processes that were killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        for path in filter(Path.is_socket, directory.iterdir()):
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # its owner was faster
                continue
