import asyncio
import select
import socket
import threading
import time

import pytest
from qtasks.errors import BackendError
from qtasks_redis.push import Listener, Subscriptions
from qtasks_redis.script import Script
from qtasks_redis.settings import BACKLOG
from qtasks_testkit.faults import FaultProxy

pytestmark = pytest.mark.needs("redis")


async def next_body(listener, within_s=5.0):
    """The next body; None, which tells to look, is passed over."""
    deadline = time.monotonic() + within_s
    while (left_s := deadline - time.monotonic()) > 0:
        if (body := await listener.get(left_s)) is not None:
            return body
    raise AssertionError("no message came")


async def publish(transport, channel, message):
    assert await transport.command("PUBLISH", channel, message) == 1


def test_a_message_reaches_every_listener_of_its_topic_and_no_other(face, redis_server):
    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as first, transport.listen(b"a") as second, transport.listen(b"b") as other:
            await publish(transport, transport.channel, b"a\nbody\nof two lines")
            await publish(transport, transport.channel, b"b\n")
            return [await next_body(listener) for listener in (first, second, other)]

    assert face.run(redis_server.url, scenario) == [b"body\nof two lines", b"body\nof two lines", b""]


def test_those_whom_a_script_tells_can_be_written_to_before_the_caller(face, redis_server):
    tell = Script("tell", "return redis.call('PUBLISH', ARGV[1], 'news')")

    async def scenario(transport):
        with socket.create_connection(("127.0.0.1", redis_server.port)) as subscriber:
            subscriber.sendall(b"SUBSCRIBE ears\r\n")
            subscriber.recv(1000)
            for _ in range(300):
                assert await transport.run_many(tell, ["key"], [["ears"]], others_first=True) == [1]
                assert select.select([subscriber], [], [], 0)[0], "the caller had its reply and the others no news yet"
                subscriber.recv(1000)

    face.run(redis_server.url, scenario)


def test_the_ping_that_lets_others_be_written_to_first_is_no_condition(face, new_redis_server):
    """A server may refuse it where it takes the script: by the rights of the user, or while it cannot save."""
    count = Script("count", "return redis.call('INCR', KEYS[1])")
    server = new_redis_server()

    async def allow(transport):
        await transport.command("ACL", "SETUSER", "app", "on", ">word", "~*", "&*", "+@all", "-ping")

    async def scenario(transport):
        counts = await transport.run_many(count, ["key"], [[], []], others_first=True)  # not loaded yet
        return counts + await transport.run_many(count, ["key"], [[]], others_first=True)

    face.run(server.url, allow)
    assert face.run(f"redis://app:word@127.0.0.1:{server.port}", scenario) == [1, 2, 3]


def test_a_user_without_the_channels_is_told_so(face, new_redis_server):
    server = new_redis_server()

    async def scenario(transport):
        await transport.command("ACL", "SETUSER", "app", "on", ">word", "~*", "+@all", "resetchannels")

    async def without_channels(transport):
        with pytest.raises(BackendError, match="NOPERM") as caught:
            await transport.subscribe()
        assert "SETUSER" in caught.value.hint

    face.run(server.url, scenario)
    face.run(f"redis://app:word@127.0.0.1:{server.port}", without_channels)


def test_messages_on_the_channel_of_the_namespace_come_too(face, redis_server):
    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as listener:
            await publish(transport, "qtasks:{test}:all", b"a\nbody")
            return await next_body(listener)

    assert face.run(redis_server.url, scenario) == b"body"


def test_messages_are_kept_between_listening_and_asking(face, redis_server):
    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as listener:
            for number in range(10):
                await publish(transport, transport.channel, b"a\n%d" % number)
            return [int(await next_body(listener)) for _ in range(10)]

    assert face.run(redis_server.url, scenario) == list(range(10))


def test_without_a_message_time_is_up(face, redis_server):
    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as listener:
            await listener.get(0.05)  # the news of the subscription, perhaps
            begun = time.monotonic()
            assert await listener.get(0.2) is None
            return time.monotonic() - begun

    assert 0.15 < face.run(redis_server.url, scenario) < 2


def test_a_broken_connection_wakes_its_listeners_and_is_made_anew(face, redis_server):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.subscribe()
            with transport.listen(b"a") as listener:
                await listener.get(0.05)
                timer = threading.Timer(0.2, proxy.reset)
                timer.start()
                begun = time.monotonic()
                assert await listener.get(10) is None
                assert time.monotonic() - begun < 5
                timer.join()
                await transport.subscribe()
                await publish(transport, transport.channel, b"a\nagain")
                return await next_body(listener)

        assert face.run(proxy.url, scenario) == b"again"


def test_a_lost_connection_is_told_once(aio_face, redis_server, caplog):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.subscribe()
            proxy.refuse()
            proxy.reset()
            with pytest.raises(BackendError):
                await transport.command("PING", timeout_s=3)
            proxy.heal()
            await transport.subscribe()

        aio_face.run(proxy.url, scenario)
    assert [record.getMessage()[:32] for record in caplog.records] == ["The connection that hears of news"[:32]]


def test_a_half_open_connection_is_replaced_within_ten_seconds(face, redis_server, monkeypatch):
    for module in ("aio", "blocking"):  # the same, eight times as fast
        monkeypatch.setattr(f"qtasks_redis.{module}.PUSH_CHECK_S", 0.5)
    monkeypatch.setattr("qtasks_redis.blocking.CONNECT_TIMEOUT_S", 0.25)
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.subscribe()
            with transport.listen(b"a") as listener:
                await listener.get(0.05)
                proxy.blackhole()
                proxy.heal()  # new connections are good, the old one stays lost
                begun = time.monotonic()
                assert await listener.get(10) is None
                assert time.monotonic() - begun < 5
                await transport.subscribe()
                await publish(transport, transport.channel, b"a\nagain")
                return await next_body(listener)

        assert face.run(proxy.url, scenario) == b"again"


def test_a_channel_belongs_to_one_loop_or_thread(face, redis_server):
    async def scenario(transport):
        assert transport.channel == transport.channel
        return transport.channel

    channels = {face.run(redis_server.url, scenario) for _ in range(2)}
    assert len(channels) == 2
    assert all(channel.startswith("qtasks:{test}:all:") for channel in channels)


def test_a_waiting_listener_is_woken_at_once(aio_face, redis_server):
    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as listener:
            await listener.get(0.05)
            waiting = asyncio.create_task(next_body(listener))
            await asyncio.sleep(0)
            await publish(transport, transport.channel, b"a\nbody")
            return await waiting

    assert aio_face.run(redis_server.url, scenario) == b"body"


def test_a_listener_that_never_asks_is_told_to_look_instead_of_growing():
    listener = Listener(b"a", lambda *_: None)
    subscriptions = Subscriptions()
    subscriptions.add(listener)
    for number in range(BACKLOG + 1):
        subscriptions.receive([b"message", b"channel", b"a\n%d" % number])
    assert list(listener.waiting) == [None]
    subscriptions.remove(listener)
    subscriptions.receive([b"message", b"channel", b"a\nlate"])
    assert list(listener.waiting) == [None]
