import asyncio
import contextlib
import gc
import itertools
import os
import socket
import threading
import time

import pytest
from qtasks import errors
from qtasks_redis.aio import AioTransport
from qtasks_redis.blocking import BlockingTransport
from qtasks_redis.location import Location
from qtasks_redis.script import Script
from qtasks_testkit.faults import FaultProxy

pytestmark = pytest.mark.needs("redis")

ECHO = Script("echo", "#!lua flags=no-writes\nreturn {KEYS[1], ARGV[1], 1, false}")
COUNT = Script("count", "return redis.call('INCR', KEYS[1])")


@pytest.fixture
def after_a_pause(monkeypatch):
    """As if every call came when the connection was not used for a while."""
    monkeypatch.setattr("qtasks_redis.transport.HEALTH_CHECK_S", 0)


def test_replies_are_bytes_integers_and_none(face, redis_server):
    async def scenario(transport):
        return await transport.run(ECHO, ["key"], [b"\xff\n"])

    assert face.run(redis_server.url, scenario) == [b"key", b"\xff\n", 1, None]


def test_many_calls_of_a_script_answer_in_order(face, redis_server):
    async def scenario(transport):
        answers = await transport.run_many(ECHO, ["key"], [[number] for number in range(100)])
        return [int(answer[1]) for answer in answers], await transport.run_many(ECHO, ["key"], [])

    assert face.run(redis_server.url, scenario) == (list(range(100)), [])


def test_what_fits_into_no_buffer_arrives_whole(face, redis_server):
    large = os.urandom(1000) * 20_000

    async def scenario(transport):
        return await transport.run(ECHO, ["key"], [large])

    assert face.run(redis_server.url, scenario)[1] == large


def test_scripts_survive_a_flush_between_and_within_batches(face, new_redis_server):
    async def scenario(transport):
        counts = []
        for _ in range(3):
            counts.append(await transport.run(COUNT, ["key"], []))
            await transport.command("SCRIPT", "FLUSH")
            counts += await transport.run_many(COUNT, ["key"], [[]] * 3)
            await transport.command("SCRIPT", "FLUSH")
        return counts

    assert face.run(new_redis_server().url, scenario) == list(range(1, 13))


def test_a_script_that_does_not_compile_is_an_error(face, redis_server):
    async def scenario(transport):
        with pytest.raises(errors.BackendError, match="compiling"):
            await transport.run(Script("bad", "this is no Lua"), ["key"], [])

    face.run(redis_server.url, scenario)


def test_what_the_server_refuses_is_raised_and_the_connection_goes_on(face, redis_server):
    async def scenario(transport):
        await transport.command("SET", "text", "x")
        with pytest.raises(errors.BackendCorruptError):
            await transport.run(Script("push", "return redis.call('LPUSH', KEYS[1], 1)"), ["text"], [])
        before = await transport.command("CLIENT", "ID")
        with pytest.raises(errors.BackendError):
            await transport.command("NONSENSE", "canary")
        return before == await transport.command("CLIENT", "ID")

    assert face.run(redis_server.url, scenario)


def test_without_memory_a_script_without_the_flag_is_refused_before_it_starts(face, new_redis_server):
    async def scenario(transport):
        await transport.command("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(errors.BackendFullError):
            await transport.run(Script("set", "#!lua\nredis.call('SET', KEYS[1], 1)"), ["key"], [])
        return await transport.command("GET", "key")

    assert face.run(new_redis_server().url, scenario) is None


def test_calls_go_on_after_the_server_was_killed_and_started_again(face, new_redis_server, after_a_pause):
    server = new_redis_server(appendonly=True)

    async def scenario(transport):
        await transport.run(COUNT, ["key"], [])
        server.kill()
        server.start()
        return await transport.run(ECHO, ["key"], ["again"])

    assert face.run(server.url, scenario)[1] == b"again"


def test_a_call_waits_for_a_server_that_is_down_and_comes_back(face, new_redis_server, after_a_pause):
    server = new_redis_server()

    async def scenario(transport):
        await transport.run(ECHO, ["key"], ["x"])
        server.kill()
        timer = threading.Timer(0.5, server.start)
        timer.start()
        try:
            return await transport.run(ECHO, ["key"], ["again"])
        finally:
            timer.join()

    assert face.run(server.url, scenario)[1] == b"again"


def test_a_server_that_stays_down_is_an_error_within_the_deadline(face, new_redis_server):
    server = new_redis_server()
    server.kill()

    async def scenario(transport):
        with pytest.raises(errors.BackendUnavailableError, match="cannot be reached") as caught:
            await transport.run(ECHO, ["key"], ["x"])
        assert str(server.port) in str(caught.value)

    begun = time.monotonic()
    face.run(server.url, scenario, call_timeout_s=0.8)
    assert time.monotonic() - begun < 2.3


def test_an_outage_costs_at_most_one_connect_a_second(face):
    connects = []

    async def scenario(transport):
        with pytest.raises(errors.BackendUnavailableError):
            await transport.run(ECHO, ["key"], ["x"])

    def refuse(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connects.append(time.monotonic())
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=[listener])
        thread.start()
        face.run(f"redis://127.0.0.1:{listener.getsockname()[1]}", scenario, call_timeout_s=3.0)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(connects) > 1
    assert all(later - earlier >= 0.99 for earlier, later in itertools.pairwise(connects))


@pytest.mark.parametrize("fault", ["blackhole", "freeze"])
def test_a_server_that_says_nothing_is_an_error_within_the_deadline_and_left(face, redis_server, fault):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.run(ECHO, ["key"], ["x"])
            getattr(proxy, fault)()
            begun = time.monotonic()
            with pytest.raises(errors.BackendUnavailableError):
                await transport.run(ECHO, ["key"], ["x"], timeout_s=0.5)
            assert time.monotonic() - begun < 1.5
            proxy.heal()
            return await transport.run(ECHO, ["key"], ["again"])

        assert face.run(proxy.url, scenario)[1] == b"again"


def test_a_new_connection_to_a_server_that_says_nothing_has_a_deadline_too(face, redis_server):
    with FaultProxy(redis_server.url) as proxy:
        proxy.freeze()

        async def scenario(transport):
            with pytest.raises(errors.BackendUnavailableError):
                await transport.run(ECHO, ["key"], ["x"])

        begun = time.monotonic()
        face.run(proxy.url, scenario, call_timeout_s=1.0)
        assert time.monotonic() - begun < 2.5


def test_a_lost_reply_is_an_error_and_the_script_has_run_once(face, redis_server):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.command("DEL", "lost")
            await transport.run(COUNT, ["lost"], [])
            dropped = proxy.drop_reply(b"lost")
            with pytest.raises(errors.BackendUnavailableError):
                await transport.run(COUNT, ["lost"], [])
            assert dropped.is_set()
            return await transport.command("GET", "lost")

        assert face.run(proxy.url, scenario) == b"2"


def test_a_reset_while_nothing_is_asked_goes_unnoticed(face, redis_server, after_a_pause):
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await transport.run(ECHO, ["key"], ["x"])
            proxy.reset()
            return await transport.run(ECHO, ["key"], ["again"])

        assert face.run(proxy.url, scenario)[1] == b"again"


def test_a_wrong_password_is_told_at_once_and_not_shown(face, new_redis_server):
    server = new_redis_server(requirepass="right")

    async def scenario(transport):
        return await transport.run(ECHO, ["key"], ["x"])

    assert face.run(server.url, scenario)
    for password in ("", ":canary@"):
        begun = time.monotonic()
        with pytest.raises(errors.BackendError) as caught:
            face.run(f"redis://{password}127.0.0.1:{server.port}", scenario)
        assert type(caught.value) is errors.BackendError
        assert "password" in caught.value.hint
        assert "canary" not in str(caught.value)
        assert time.monotonic() - begun < 1


def test_a_child_after_a_fork_has_connections_of_its_own(drive, redis_server):
    transport = BlockingTransport(Location.parse(redis_server.url), "qtasks:{test}:all")

    def client_id():
        coroutine = transport.command("CLIENT", "ID")
        with pytest.raises(StopIteration) as end:
            coroutine.send(None)
        return end.value.value

    mine, channel = client_id(), transport.channel
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, f"{client_id()} {transport.channel}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        theirs, their_channel = answers.read().split()
    os.waitpid(child, 0)
    assert int(theirs) != mine
    assert their_channel != channel
    assert client_id() == mine
    drive(transport.close())


def test_every_thread_has_a_connection_of_its_own(drive, redis_server):
    transport = BlockingTransport(Location.parse(redis_server.url), "qtasks:{test}:all")
    ids = []
    all_connected = threading.Barrier(3)

    def note():
        ids.append(drive(transport.command("CLIENT", "ID")))
        all_connected.wait(5)

    threads = [threading.Thread(target=note) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 3
    drive(transport.close())


def test_a_thousand_concurrent_calls_share_a_few_connections(aio_face, new_redis_server):
    async def scenario(transport):
        answers = await asyncio.gather(*(transport.run(ECHO, ["key"], [number]) for number in range(1_000)))
        clients = await transport.command("CLIENT", "LIST")
        return [int(answer[1]) for answer in answers], clients.count(b"name=qtasks ")

    answers, connections = aio_face.run(new_redis_server().url, scenario)
    assert answers == list(range(1_000))
    assert connections <= 4


def test_a_cancelled_call_does_not_mix_up_the_next_replies(aio_face, redis_server):
    async def scenario(transport):
        for number in range(50):
            task = asyncio.create_task(transport.run(ECHO, ["key"], [-1]))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            task.cancel()
            answer = await transport.run(ECHO, ["key"], [number])
            assert int(answer[1]) == number

    aio_face.run(redis_server.url, scenario)


def test_a_unix_socket_is_a_server_too(face, new_redis_server, tmp_path):
    path = tmp_path / "redis.sock"
    new_redis_server(settings=["--unixsocket", str(path)])

    async def scenario(transport):
        await transport.command("SET", "key", "x")
        return await transport.command("INFO", "keyspace")

    assert b"db1:keys=1" in face.run(f"unix://{path}?db=1", scenario)


@pytest.mark.parametrize("database", [0, 1])  # one command, or two of which one is never answered
def test_a_server_with_too_many_clients_is_named_as_such(face, new_redis_server, database):
    server = new_redis_server(settings=["--maxclients", "1"])

    async def scenario(transport):
        with pytest.raises(errors.BackendUnavailableError, match="max number of clients") as caught:
            await transport.run(ECHO, ["key"], ["x"], timeout_s=0.5)
        assert "maxclients" in caught.value.hint

    with socket.create_connection(("127.0.0.1", server.port)) as other:
        other.sendall(b"PING\r\n")
        other.recv(10)
        face.run(f"redis://127.0.0.1:{server.port}/{database}", scenario)


def test_connections_that_are_in_use_while_the_transport_is_closed_are_closed_afterwards(aio_face, new_redis_server):
    server = new_redis_server()

    async def scenario(transport):
        calls = [transport.run(ECHO, ["key"], [number]) for number in range(20)]
        await asyncio.gather(*calls, transport.close())  # which comes last, when the others have begun
        return await transport.command("CLIENT", "LIST")

    assert aio_face.run(server.url, scenario).count(b"name=qtasks ") == 1


def test_several_connections_that_are_half_open_cost_no_more_than_the_deadline(aio_face, redis_server, after_a_pause):
    busy = Script("busy", "local n = 0 for i = 1, 100000 do n = n + i end return n")
    with FaultProxy(redis_server.url) as proxy:

        async def scenario(transport):
            await asyncio.gather(*(transport.run(busy, ["key"], []) for _ in range(20)))
            assert len(transport._session().idle) > 1
            proxy.blackhole()
            proxy.heal()  # new connections are good, the old ones stay lost
            return await transport.run(ECHO, ["key"], ["again"], timeout_s=1.0)

        assert aio_face.run(proxy.url, scenario)[1] == b"again"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of connections that were not closed
def test_loops_that_have_ended_leave_no_connections(redis_server):
    transport = AioTransport(Location.parse(redis_server.url), "qtasks:{test}:all")
    for _ in range(5):
        asyncio.run(transport.open())
    assert len(transport._sessions) == 1

    async def scenario():
        await transport.open()
        await transport.close()

    asyncio.run(scenario())
    assert len(transport._sessions) == 0
    gc.collect()


def test_durability_waits_for_the_disk_where_the_server_can_say_so(face, new_redis_server):
    server = new_redis_server(appendonly=True)

    async def scenario(transport):
        commands = await transport.command("COMMAND", "INFO", "WAITAOF")
        if commands[0]:
            return await transport.run(COUNT, ["key"], [], wait_durable=True)
        with pytest.raises(errors.BackendUnavailableError):
            await transport.run(COUNT, ["key"], [], wait_durable=True, timeout_s=0.5)
        return 1

    assert face.run(f"{server.url}?durability=wait", scenario) == 1


def test_durability_is_not_waited_for_unless_the_url_says_so(face, new_redis_server):
    async def scenario(transport):
        return await transport.run(COUNT, ["key"], [], wait_durable=True, timeout_s=0.5)

    assert face.run(new_redis_server().url, scenario) == 1
