"""The proxy does to a connection what its methods say, and nothing before."""

import contextlib
import socket
import socketserver
import threading
import time

import pytest
from qtasks_testkit.faults.proxy import FaultProxy


class Echo(socketserver.BaseRequestHandler):
    """Answers every piece of data with itself, and notes it."""

    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(4096):
                self.server.heard.append(data)
                self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def server():
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with FaultProxy(f"redis://user:secret@127.0.0.1:{server.server_address[1]}/3") as proxy:
        yield proxy


@pytest.fixture
def connect(proxy):
    with contextlib.ExitStack() as opened:

        def connect(timeout=5.0):
            return opened.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout))

        yield connect


def ask(connection, data):
    connection.sendall(data)
    return connection.recv(4096)


def assert_silent(connection, data):
    connection.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ask(connection, data)
    connection.settimeout(5)


def test_both_directions_pass_and_the_url_leads_through_the_proxy(proxy, connect):
    first, second = connect(), connect()
    assert (ask(first, b"one"), ask(second, b"two")) == (b"one", b"two")
    assert proxy.url == f"redis://user:secret@127.0.0.1:{proxy.port}/3"
    assert proxy.accepted == 2


def test_large_data_pass_unchanged(connect):
    connection, data = connect(), bytes(range(256)) * 4096
    threading.Thread(target=connection.sendall, args=(data,)).start()
    received = b""
    while len(received) < len(data):
        received += connection.recv(1 << 16)
    assert received == data


def test_end_of_one_side_ends_the_other(proxy, connect):
    connection = connect()
    ask(connection, b"x")
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(64) == b""


def test_frozen_connection_is_late_and_loses_nothing(proxy, connect):
    connection = connect()
    assert ask(connection, b"before") == b"before"
    proxy.freeze()
    assert_silent(connection, b"held")
    proxy.heal()
    assert connection.recv(64) == b"held"


def test_lost_connection_stays_lost_and_new_ones_are_good_again(server, proxy, connect):
    lost = connect()
    assert ask(lost, b"before") == b"before"
    proxy.blackhole()
    assert_silent(lost, b"lost")
    assert_silent(connect(), b"lost too")
    proxy.heal()
    assert_silent(lost, b"lost for ever")
    assert ask(connect(), b"after") == b"after"
    assert server.heard == [b"before", b"after"]


def test_reset_reaches_every_client_once(proxy, connect):
    connections = [connect(), connect()]
    for connection in connections:
        ask(connection, b"x")
    proxy.reset()
    for connection in connections:
        with pytest.raises(ConnectionResetError):
            connection.recv(64)
    assert ask(connect(), b"again") == b"again"


def test_refused_until_healed_on_the_same_port(proxy, connect):
    connection = connect()
    ask(connection, b"x")
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        connection.recv(64)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.heal()
    assert ask(connect(), b"again") == b"again"


def test_server_that_is_down_is_heard_of(server, proxy, connect):
    server.server_close()
    connection = connect()
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(64) == b""


def test_delay_holds_back_each_direction(proxy, connect):
    connection = connect()
    ask(connection, b"x")
    proxy.delay(0.1)
    begun = time.monotonic()
    assert ask(connection, b"late") == b"late"
    assert time.monotonic() - begun >= 0.2
    proxy.heal()


@pytest.mark.parametrize("request_", [b"second", b""])
def test_dropped_reply_was_to_a_request_that_reached_the_server(server, proxy, connect, request_):
    connection = connect()
    dropped = proxy.drop_reply(request_, nth=1 if request_ else 2)
    assert ask(connection, b"the first") == b"the first"
    assert not dropped.is_set()
    with pytest.raises(ConnectionResetError):
        ask(connection, b"the second")
    assert dropped.wait(5)
    assert server.heard == [b"the first", b"the second"]
    assert ask(connect(), b"the second") == b"the second"
