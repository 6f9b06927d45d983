"""Programs in other languages add tasks and read what became of them, over a real gRPC channel."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from importlib.resources import files
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from qtasks import QueueTasks, TaskStatus
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.testing import running
from qtasks_plugins.grpc import AsyncgRPCPlugin, SyncgRPCPlugin, messages, service
from qtasks_plugins.grpc.server import Server

PATIENCE_S = 20.0
TOKEN = "a-token-that-nobody-guesses"
CALLS = {
    "AddTask": ("unary_unary", messages.AddTaskRequest, messages.Task),
    "GetTask": ("unary_unary", messages.GetTaskRequest, messages.Task),
    "StreamTask": ("unary_stream", messages.StreamTaskRequest, messages.StreamItem),
}


class Client:
    """A client of one gateway; it closes with the test."""

    def __init__(self, channel):
        self._channel = channel

    def __call__(self, name, *, timeout=PATIENCE_S, token=None, wait_for_ready=False, **fields):
        kind, request, answer = CALLS[name]
        method = getattr(self._channel, kind)(f"/qtasks.v1.QTasks/{name}", request.SerializeToString, answer.FromString)
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        return method(request(**fields), timeout=timeout, metadata=metadata, wait_for_ready=wait_for_ready)

    def fails(self, name, **fields):
        """The status and the details of a call that fails."""
        with pytest.raises(grpc.RpcError) as caught:
            list(answer) if hasattr(answer := self(name, **fields), "__next__") else answer
        return caught.value.code(), caught.value.details()


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    """What waits looks often whether its client is still there."""
    monkeypatch.setattr(service, "STEP_S", 0.05)


@pytest.fixture
def connect():
    """Connect to an address."""
    channels = []

    def connect(address):
        soon = [(f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min")]
        channels.append(grpc.insecure_channel(address, options=soon))
        return Client(channels[-1])

    yield connect
    for channel in channels:
        channel.close()


@pytest.fixture
def serve(connect):
    """Serve an application on a free port, and connect to it."""
    servers = []

    def serve(app, **options):
        servers.append(Server(app, "127.0.0.1:0", **options))
        servers[-1].start()
        return connect(servers[-1].address)

    yield serve
    for server in servers:
        server.stop(0)


@pytest.fixture
def shop():
    """An application in memory with some tasks."""
    app = QueueTasks("shop", f"memory://{new_id()}")

    @app.task
    def add(x: int, y: int = 0) -> int:
        return x + y

    @app.task(retry=1, retry_delay=0)
    def letters(broken: bool = False):
        yield "a"
        yield "b"
        if broken and letters_runs.append(1) is None and len(letters_runs) == 1:
            raise ValueError

    letters_runs = []
    yield app
    app.close()


def test_a_task_is_added_and_read(app, serve):
    app.task("add")(lambda x, y: {"sum": x + y})
    call = serve(app)
    added = call("AddTask", task="add", args="[1]", kwargs='{"y": 2}')
    assert (added.task, added.queue, added.status) == ("add", "default", "new")
    with running(app):
        ended = call("GetTask", id=added.id, wait=True)
    assert (ended.status, json.loads(ended.result), ended.error) == ("success", {"sum": 3}, "")
    assert ended.created_us == added.created_us <= ended.updated_us
    assert call("GetTask", id=added.id) == ended


def test_the_options_of_a_call_are_those_of_the_task(shop, serve):
    call = serve(shop)
    options = {"priority": 7, "queue": "slow", "delay": "1h", "expires": 7200, "unique": "k", "headers": {"a": "b"}}
    added = call("AddTask", task="add", args="[1]", options=json.dumps(options))
    again = call("AddTask", task="add", args="[2]", options=json.dumps(options))
    assert added.id == again.id
    message = shop.get(added.id).message
    assert (message.priority, message.queue, message.unique, message.headers) == (7, "slow", "k", {"a": "b"})
    assert message.due - message.enqueued == message.expires - message.due == 3_600_000_000


def test_an_error_of_the_task_is_told_and_is_no_error_of_the_call(shop, serve):
    call = serve(shop)
    added = call("AddTask", task="add", args="[1, 2, 3]")
    with running(shop):
        ended = call("GetTask", id=added.id, wait=True)
    assert (ended.status, ended.result) == ("dead", "")
    assert ended.error.startswith("ArgumentsError: ")


def test_the_values_of_a_generator_are_streamed_also_from_the_middle(app, serve):
    begun = threading.Event()

    @app.task
    def count():
        yield {"n": 0}
        begun.wait(PATIENCE_S)
        yield {"n": 1}

    call = serve(app)
    task_id = call("AddTask", task="count").id
    with running(app):
        items = call("StreamTask", id=task_id)
        first = next(items)
        begun.set()
        second, *more = items
    assert more == []
    assert [(json.loads(i.value), i.attempt, i.offset) for i in (first, second)] == [({"n": 0}, 0, 0), ({"n": 1}, 0, 1)]
    assert list(call("StreamTask", id=task_id, offset=1)) == [second]


def test_a_stream_begins_anew_with_the_next_attempt(shop, serve):
    call = serve(shop)
    task_id = call("AddTask", task="letters", args="[true]").id
    with running(shop):
        call("GetTask", id=task_id, wait=True)
    items = list(call("StreamTask", id=task_id))
    assert [(i.value, i.attempt, i.offset) for i in items][-2:] == [('"a"', 1, 0), ('"b"', 1, 1)]


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "fields", "status", "told"),
    [
        ("AddTask", {"task": "ad"}, NOT_FOUND, "No task is registered as 'ad'.\nDid you mean 'add'?"),
        ("AddTask", {"task": "os.system", "args": '["true"]'}, NOT_FOUND, "No task is registered"),
        (
            "AddTask",
            {"task": "add", "args": "{}"},
            INVALID,
            "args is to be a JSON array: Expected `array`",
        ),
        ("AddTask", {"task": "add", "args": "[NaN]"}, INVALID, "args is to be a JSON array: JSON is malformed"),
        ("AddTask", {"task": "add", "args": "[" * 100_000}, INVALID, "args is to be a JSON array"),
        ("AddTask", {"task": "add", "args": "[" * 80 + "]" * 80}, INVALID, "nested deeper than 64 levels"),
        ("AddTask", {"task": "add", "kwargs": "[]"}, INVALID, "kwargs is to be a JSON object"),
        ("AddTask", {"task": "add", "options": "1"}, INVALID, "options is to be a JSON object"),
        ("AddTask", {"task": "add", "options": '{"prio": 1}'}, INVALID, "Did you mean 'priority'?"),
        ("AddTask", {"task": "add", "options": '{"priority": "x"}'}, INVALID, "priority"),
        ("AddTask", {"task": "add", "options": '{"delay": {}}'}, INVALID, "delay"),
        ("AddTask", {"task": "add", "options": '{"eta": "now"}'}, INVALID, "eta"),
        ("AddTask", {"task": "add", "options": '{"timeout": 1}'}, INVALID, "Call GetTask with wait = true."),
        ("AddTask", {"task": "add", "args": json.dumps(["x" * 1_048_576])}, INVALID, "1,048,576 are allowed"),
        ("GetTask", {"id": "1"}, INVALID, "is not the id of a task"),
        ("GetTask", {"id": "0" * 32}, NOT_FOUND, "never added, or kept no more"),
        ("StreamTask", {"id": "0" * 32}, NOT_FOUND, "never added, or kept no more"),
    ],
)
def test_a_call_that_cannot_be_answered_says_why(shop, serve, name, fields, status, told):
    found, details = serve(shop).fails(name, **fields)
    assert found is status
    assert told in details


def test_what_waits_needs_a_deadline_and_ends_with_it(shop, serve):
    call = serve(shop)
    task_id = call("AddTask", task="letters").id
    for name, fields in (("GetTask", {"wait": True}), ("StreamTask", {})):
        status, details = call.fails(name, id=task_id, timeout=None, **fields)
        assert (status, "needs a deadline" in details) == (INVALID, True)
        assert call.fails(name, id=task_id, timeout=0.1, **fields)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert shop.get(task_id).status is TaskStatus.NEW


def test_a_broker_that_does_not_answer_makes_the_gateway_unavailable(tmp_path, serve):
    (tmp_path / "file").touch()
    app = QueueTasks("shop", f"sqlite:///{tmp_path}/file/queue.db")
    app.task("add")(print)
    status, details = serve(app).fails("AddTask", task="add")
    assert status is grpc.StatusCode.UNAVAILABLE
    assert "queue.db" in details


def test_an_error_that_nobody_expected_is_not_shown_to_the_client(shop, serve, caplog, monkeypatch):
    monkeypatch.setattr(shop.tasks, "require", None)
    status, details = serve(shop).fails("AddTask", task="add")
    assert (status, details) == (grpc.StatusCode.INTERNAL, "TypeError; the log of the gateway says more.")
    assert "'NoneType' object is not callable" in caplog.text


# Who may call.


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("token", [None, "", "another-token-of-somebody", TOKEN[:-1]])
def test_nobody_gets_in_without_the_token(shop, serve, name, token):
    call = serve(shop, token=TOKEN)
    status, _ = call.fails(name, token=token)
    assert status is grpc.StatusCode.UNAUTHENTICATED


def test_the_token_lets_in(shop, serve):
    call = serve(shop, token=TOKEN)
    added = call("AddTask", task="add", args="[1]", token=TOKEN)
    assert call("GetTask", id=added.id, token=TOKEN).status == "new"


@pytest.mark.parametrize("address", ["0.0.0.0:50051", "[::]:50051", "192.168.0.1:50051", "host.example:50051"])
def test_another_address_than_loopback_needs_a_token(address):
    with pytest.raises(ConfigError, match="Everybody who reaches"):
        AsyncgRPCPlugin(address)
    assert TOKEN not in repr(AsyncgRPCPlugin(address, token=TOKEN))


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "127.8.8.8:1", "localhost:0", "[::1]:50051"])
def test_loopback_needs_no_token(address):
    assert repr(SyncgRPCPlugin(address)) == f"<AsyncgRPCPlugin {address}>"


@pytest.mark.parametrize("address", ["", "127.0.0.1", ":50051", "127.0.0.1:", "127.0.0.1:70000", "unix:/it", "a:b:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="listens on HOST:PORT"):
        AsyncgRPCPlugin(address)


@pytest.mark.parametrize("token", ["", "short", "with a blank in it, it is long", "é" * 20])
def test_a_token_that_can_be_guessed_is_refused(token):
    with pytest.raises(ConfigError, match="16 ASCII characters or more"):
        AsyncgRPCPlugin(token=token)


@pytest.mark.parametrize("missing", ["grpc", "google", "google.protobuf"])
def test_without_the_extra_the_pip_line_is_told(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, "google.protobuf")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=r'pip install "qtasks-plugins\[grpc\]"'):
        AsyncgRPCPlugin()


def test_with_credentials_it_speaks_tls(shop, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    server = Server(shop, "localhost:0", credentials=credentials)
    server.start()
    trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
    with (
        grpc.secure_channel(server.address, trusted) as knows,
        grpc.secure_channel(server.address, grpc.ssl_channel_credentials()) as knows_not,
        grpc.insecure_channel(server.address) as plain,
    ):
        assert Client(knows)("AddTask", task="letters").status == "new"
        for channel in (knows_not, plain):
            assert Client(channel).fails("AddTask", task="letters")[0] is grpc.StatusCode.UNAVAILABLE
    server.stop(0)


# How it begins and ends.


def test_a_call_that_waits_does_not_hold_up_the_end(shop, connect):
    server = Server(shop, "127.0.0.1:0")
    server.start()
    call = connect(server.address)
    task_id = call("AddTask", task="letters").id
    failed = []
    waiting = threading.Thread(target=lambda: failed.append(call.fails("GetTask", id=task_id, wait=True)[0]))
    waiting.start()
    server.stop(0.1)
    waiting.join(PATIENCE_S)
    assert failed[0] in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_a_taken_port_is_told(shop):
    server = Server(shop, "127.0.0.1:0")
    with pytest.raises(ConfigError, match=f"cannot listen on {server.address}"):
        Server(shop, server.address)
    server.stop(0)


@pytest.mark.parametrize(("plugin", "face"), [(SyncgRPCPlugin, QueueTasks), (AsyncgRPCPlugin, AsyncQueueTasks)])
def test_a_worker_serves_the_gateway_while_it_runs(connect, unused_port, plugin, face):
    app, address = face("shop", f"memory://{new_id()}"), f"127.0.0.1:{unused_port}"
    app.task("double")(lambda x: x * 2)
    app.add_plugin(plugin("127.0.0.1:0"))  # there may be several
    app.add_plugin(plugin(address))
    with running(app):
        call = connect(address)
        added = call("AddTask", task="double", args="[2]", wait_for_ready=True)
        assert call("GetTask", id=added.id, wait=True).result == "4"
    assert connect(address).fails("GetTask", id=added.id)[0] is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def unused_port():
    """A port of this machine that nobody listened on just now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.mark.needs("sqlite")
def test_the_command_serves_until_sigterm(tmp_path, connect):
    (tmp_path / "app.py").write_text(
        f"from qtasks import QueueTasks\napp = QueueTasks('shop', 'sqlite:///{tmp_path}/queue.db')\napp.task('t')(print)\n"
    )
    command = [str(Path(sys.executable).with_name("qtasks")), "-A", "app:app", "grpc", "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "QTASKS_GRPC_TOKEN": TOKEN}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        told = process.stderr.readline()
        address, tasks = re.search(r"gRPC on (127.0.0.1:\d+): (\d+) tasks of shop in sqlite:///", told).groups()
        assert tasks == "1"
        assert connect(address)("AddTask", task="t", token=TOKEN).status == "new"
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert TOKEN not in told + rest


def test_the_command_refuses_to_serve_everybody(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('imported')\n")
    command = [str(Path(sys.executable).with_name("qtasks")), "-A", "app:app", "grpc", "--listen", "0.0.0.0:0"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (run.returncode, "Everybody who reaches 0.0.0.0:0" in run.stderr) == (2, True)


def test_the_proto_file_in_the_wheel_describes_what_is_served(tmp_path):
    folder = files("qtasks_plugins.grpc")
    out = tmp_path / "described"
    compiler = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"--descriptor_set_out={out}", "qtasks.proto"]
    subprocess.run(compiler, check=True, timeout=PATIENCE_S)
    [file] = FileDescriptorSet.FromString(out.read_bytes()).file

    def fields(message):
        return [(field.name, field.number, field.type, field.label) for field in message.field]

    def described(kind):
        proto = DescriptorProto()
        kind.DESCRIPTOR.CopyToProto(proto)
        return fields(proto)

    assert file.package == messages.PACKAGE
    assert {each.name: fields(each) for each in file.message_type} == {
        each.name: described(getattr(messages, each.name)) for each in file.message_type
    }
    [service] = file.service
    assert {each.name: (each.server_streaming, each.input_type, each.output_type) for each in service.method} == {
        name: (kind == "unary_stream", f".{request.DESCRIPTOR.full_name}", f".{answer.DESCRIPTOR.full_name}")
        for name, (kind, request, answer) in CALLS.items()
    }
