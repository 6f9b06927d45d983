"""A server of the tests' own: one process on a free loopback port, with its own data directory.

What differs between servers (binary, options, when it is ready) is in the modules beside this one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import attrs
import pytest

READY_S = 10.0
"""How long a server may take to answer after its start, seconds."""


class ServerError(Exception):
    """A server did not start, or did not stop."""


class ServerNotInstalledError(ServerError):
    """There is no binary of the server on this machine."""


@attrs.frozen
class GivenServer:
    """A server that somebody else runs and that tests may use, but not kill.

    Args:
        url: where it is.
    """

    url: str


_handed_out: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at the moment, another one at every call."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


class Server(ABC):
    """One server process: started on entering the context, gone after leaving it.

    Args:
        directory: where it keeps its data and its log; it must be there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def or_skip(cls, directory: Path, **options: Any) -> Self:
        """Make one, or skip the test where no binary is installed."""
        try:
            return cls(directory, **options)
        except ServerNotInstalledError as error:
            pytest.skip(str(error))

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it; the same after a restart."""

    @property
    @abstractmethod
    def command(self) -> list[str]:
        """The command line that starts it in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True when it answers; may raise OSError when it does not."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process; raises ServerError before the first start."""
        if self._process is None:
            raise ServerError(f"{type(self).__name__} was not started.")
        return self._process

    @property
    def running(self) -> bool:
        """True from `start` to its end, also while it is frozen."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, on the port and the data of before, and wait until it answers.

        Raises:
            ServerError: it runs already, ended, or gave no answer in time; with the end of its log.
        """
        if self.running:
            raise ServerError(f"{type(self).__name__} runs already, as process {self.process.pid}.")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{' '.join(self.command)} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.is_ready()
        return False

    def kill(self) -> None:
        """End it by SIGKILL, as a crash does; what it has not written is lost."""
        if self.running:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, within_s: float = 10.0) -> None:
        """End it by SIGTERM, in peace.

        Raises:
            ServerError: it did not end in time; it is killed then.
        """
        if not self.running:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"{type(self).__name__} did not end within {within_s:g} s.") from None

    def restart(self) -> None:
        """Stop it in peace and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it in the middle of what it does: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
