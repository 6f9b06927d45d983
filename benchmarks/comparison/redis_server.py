"""A redis-server on a free loopback port, without persistence, and the few commands that the benchmarks need."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from urllib.parse import urlparse

START_S = 10.0


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Run a server and yield its URL."""
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server was expected on PATH and is not there: install your system's redis-server.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}"
            _wait(url)
            yield url
        finally:
            server.terminate()
            server.wait()


def version(url: str) -> str:
    """Return the version of the server."""
    return _info(url, "server", "redis_version")


def commands(url: str) -> int:
    """Return how many commands the server has processed."""
    return int(_info(url, "stats", "total_commands_processed"))


def flush(url: str) -> None:
    """Empty the server."""
    _ask(url, "FLUSHALL")


def _info(url: str, section: str, field: str) -> str:
    lines = dict(line.partition(":")[::2] for line in _ask(url, f"INFO {section}").splitlines())
    return lines[field]


def _ask(url: str, command: str) -> str:
    """Send one command on a connection of its own and return all that comes back."""
    where = urlparse(url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(f"{command}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def _wait(url: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            _ask(url, "PING")
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
