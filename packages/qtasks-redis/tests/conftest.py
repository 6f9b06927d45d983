"""One scenario on either transport, on an event loop or blocking the thread; and all of QTasks on one server."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from qtasks.message import new_id
from qtasks_redis.aio import AioTransport
from qtasks_redis.blocking import BlockingTransport
from qtasks_redis.location import Location
from qtasks_redis.transport import Transport
from qtasks_testkit.faults import Fleet

CHANNEL = "qtasks:{test}:all"


def run_blocking(coroutine: Any) -> Any:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("the coroutine suspended")


class Face:
    """One kind of transport, and how its coroutines run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._type = {"aio": AioTransport, "blocking": BlockingTransport}[name]
        self._run = {"aio": asyncio.run, "blocking": run_blocking}[name]

    def run(self, url: str, scenario: Callable[[Transport], Awaitable[Any]], call_timeout_s: float = 5.0) -> Any:
        """What a scenario returns that is given a new transport, closed afterwards."""

        async def with_transport() -> Any:
            transport = self._type(Location.parse(url), CHANNEL, call_timeout_s)
            try:
                return await scenario(transport)
            finally:
                await transport.close()

        return self._run(with_transport())


@pytest.fixture(params=["aio", "blocking"])
def face(request):
    return Face(request.param)


@pytest.fixture
def aio_face():
    return Face("aio")


@pytest.fixture
def drive():
    """What runs a coroutine of the blocking face."""
    return run_blocking


@pytest.fixture
def open_fleet(tmp_path, monkeypatch):
    """An application with its workers, not yet started, on the server of a URL."""
    monkeypatch.chdir(tmp_path)
    return lambda url: closing(Fleet(url, f"fleet.{new_id()}"))


@pytest.fixture
def everything_works(open_fleet):
    """Add tasks, have workers run them, be pushed the results of busy and of idle ones, and let them end."""

    def everything_works(url):
        with open_fleet(url) as fleet:
            tasks = fleet.add("nap", *((number, 0.01) for number in range(50)))
            fleet.run("-p", "2")
            fleet.all_done(*tasks)
            for number in range(50, 55):
                fleet.all_done(*fleet.add("nap", (number, 0.0)))
            fleet.signal(signal.SIGTERM)
            assert fleet.ended() == 0
            assert fleet.repeated == 0

    return everything_works
