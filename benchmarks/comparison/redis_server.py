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


def count(url: str, seconds: float) -> tuple[int, int]:
    """Return how many commands clients send in so many seconds, and how many their scripts call."""
    until, heard = time.monotonic() + seconds, b""
    with _connection(url) as connection:
        connection.sendall(b"MONITOR\r\n")
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            with contextlib.suppress(TimeoutError):
                heard += connection.recv(65536)
    _, *lines = heard.splitlines()  # the first one is the answer
    by_scripts = sum(b" lua] " in line for line in lines)
    return len(lines) - by_scripts, by_scripts


def flush(url: str) -> None:
    """Empty the server."""
    _ask(url, "FLUSHALL")


def _info(url: str, section: str, field: str) -> str:
    lines = dict(line.partition(":")[::2] for line in _ask(url, f"INFO {section}").splitlines())
    return lines[field]


def _ask(url: str, command: str) -> str:
    """Send one command on a connection of its own and return all that comes back."""
    with _connection(url) as connection:
        connection.sendall(f"{command}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def _connection(url: str) -> socket.socket:
    where = urlparse(url)
    return socket.create_connection((where.hostname, where.port), timeout=10)


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
