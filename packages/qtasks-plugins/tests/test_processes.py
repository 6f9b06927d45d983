"""Dependencies, states and the gateway in worker processes that `qtasks run` has started."""

import os
import signal
import socket
from collections import Counter
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from qtasks.message import new_id
from qtasks.plugins import SyncState
from qtasks_plugins.grpc import messages
from qtasks_testkit.faults.fleet import Fleet, until

APP = """
import os
import time
from pathlib import Path

from qtasks import Depends, QueueTasks
from qtasks.plugins import AsyncState

app = QueueTasks(os.environ["FLEET_NAME"], os.environ["FLEET_URL"])


class Total(AsyncState):
    pass


def note(*words):
    with Path("ledger").open("a") as ledger:
        ledger.write(" ".join(map(str, words)) + "\\n")


def add(fields):
    fields["count"] = fields.get("count", 0) + 1


@app.task
async def count(state: Total):
    await state.modify(add)
    return os.getpid()


@app.task
def count_blocking(state: Total):
    state.sync.modify(add)
    return os.getpid()


@app.task
async def total(state: Total):
    return await state.get("count")


async def connection():
    note("open", 0, os.getpid())
    yield os.getpid()
    note("close", 0, os.getpid())


@app.task
def use(number, opened_in=Depends(connection, scope="worker")):
    note("start", number, os.getpid())
    time.sleep(0.01)
    note("end", number, os.getpid())
    return opened_in


@app.task
async def use_awaiting(number, opened_in=Depends(connection, scope="worker")):
    note("start", number, os.getpid())
    note("end", number, os.getpid())
    return opened_in
"""


class Total(SyncState):
    """The same state as in the application, read from outside."""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in ("sqlite", "redis")])
def fleet(request, tmp_path):
    """Its application is in the test's own directory."""
    url = "sqlite:///queue.db" if request.param == "sqlite" else request.getfixturevalue("redis_server").url
    with closing(Fleet(url, f"plugins.{new_id()}")) as fleet:
        fleet.write(APP)
        yield fleet


def test_a_thousand_increments_from_two_processes_are_a_thousand(fleet):
    fleet.run("-p", "2")
    until(lambda: len(fleet.worker_names()) == 2, what="both processes have joined")
    tasks = [fleet.queue.add_task(name) for _ in range(500) for name in ("count", "count_blocking")]
    fleet.all_done(*tasks)
    pids = Counter(task.result() for task in tasks)
    assert sum(pids.values()) == 1000
    assert len(pids) == 2, f"one process did all of it: {pids}"
    assert fleet.queue.add_task("total", timeout=20).result() == 1000


def test_a_state_survives_the_death_of_all_processes(fleet):
    fleet.run("-p", "2")
    fleet.all_done(*(fleet.queue.add_task("count") for _ in range(10)))
    fleet.signal(signal.SIGKILL, group=True)
    fleet.ended()
    assert Total(fleet.queue).get("count") == 10


def test_each_process_opens_a_worker_dependency_once_and_closes_it_at_sigterm(fleet):
    fleet.run("-p", "2", "-c", "4")
    tasks = []

    def both_have_it():
        tasks.extend(fleet.queue.add_task(name, len(tasks)) for name in ("use", "use_awaiting"))
        return len({pid for _, pid in fleet.ledger("open")}) == 2

    until(both_have_it)
    tasks += [fleet.queue.add_task("use", len(tasks) + number) for number in range(40)]
    fleet.started(len(tasks) - 20)
    fleet.signal(signal.SIGTERM)
    assert fleet.ended() == 0, fleet.log

    lines = [line.split() for line in Path("ledger").read_text().splitlines()]
    for process in {pid for _, _, pid in lines}:
        words = [word for word, _, pid in lines if pid == process]
        assert Counter(words)["open"] == Counter(words)["close"] == 1
        assert (words[0], words[-1]) == ("open", "close"), "it is open for as long as tasks run, drained ones too"
        assert Counter(words)["start"] == Counter(words)["end"] > 0
    assert str(os.getpid()) not in {pid for _, _, pid in lines}


GATEWAY = """
from qtasks.plugins.grpc import SyncgRPCPlugin

app.add_plugin(SyncgRPCPlugin(os.environ["GATEWAY"]))
"""


def test_all_processes_serve_the_gateway_on_one_port(fleet):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    fleet.write(APP + GATEWAY)
    fleet.run("-p", "2", GATEWAY=address)
    until(lambda: fleet.log.count(f"gRPC on {address}") == 2, what="both processes listen")

    request, answer = messages.AddTaskRequest(task="count").SerializeToString(), messages.Task.FromString
    for _ in range(10):  # each connection is taken by one of them
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            assert channel.unary_unary("/qtasks.v1.QTasks/AddTask", None, answer)(request, timeout=20).status == "new"
    until(lambda: Total(fleet.queue).get("count") == 10)
    fleet.signal(signal.SIGTERM)
    assert fleet.ended() == 0, fleet.log
