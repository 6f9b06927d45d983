"""The event loops that workers use: each tells in its own way that a connection has been lost."""

import asyncio
import importlib
import importlib.util

import pytest
import redis
from qtasks.errors import BackendUnavailableError
from qtasks_redis.aio import AioTransport
from qtasks_redis.location import Location
from qtasks_redis.script import Script
from qtasks_testkit.faults import FaultProxy
from qtasks_testkit.faults.fleet import until

pytestmark = pytest.mark.needs("redis")

LOOPS = [name for name in ("asyncio", "uvloop") if importlib.util.find_spec(name)]

ECHO = Script("echo", "#!lua flags=no-writes\nreturn ARGV[1]")

RESETS, BYTES = 30, 300_000


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_that_break_at_any_moment_are_errors_of_ours(loop, redis_server, chance):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario():
            transport = AioTransport(Location.parse(proxy.url), "qtasks:{test}:all")
            resetting = asyncio.create_task(reset())
            await asyncio.gather(*(call(transport, resetting) for _ in range(4)))
            await resetting
            assert await transport.run(ECHO, ["key"], ["x"]) == b"x"
            await transport.subscribe()
            await transport.close()

        async def reset():
            for _ in range(RESETS):
                await asyncio.sleep(chance.random() / 50)  # in the middle of something
                await asyncio.to_thread(proxy.reset)

        async def call(transport, resetting):
            while not resetting.done():
                try:
                    await transport.subscribe()
                    assert len(await transport.run(ECHO, ["key"], ["x" * BYTES], timeout_s=1.0)) == BYTES
                except BackendUnavailableError:
                    await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=importlib.import_module(loop).new_event_loop) as runner:
            runner.run(scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_the_end_of_an_event_loop_closes_the_connections_that_a_program_left_open(loop, new_redis_server):
    server = new_redis_server()

    async def scenario():
        transport = AioTransport(Location.parse(server.url), "qtasks:{test}:all")
        await transport.subscribe()
        await asyncio.gather(*(transport.run(ECHO, ["key"], ["x"]) for _ in range(10)))

    with asyncio.Runner(loop_factory=importlib.import_module(loop).new_event_loop) as runner:
        runner.run(scenario())
    with redis.Redis.from_url(server.url) as client:
        until(lambda: [one["name"] for one in client.client_list() if one["name"] == "qtasks"] == [])
