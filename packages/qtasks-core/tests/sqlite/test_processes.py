"""Several processes on one file: forks share nothing, writers lose nothing, programs load what they need."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlite.support import success

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform cannot fork")


def start(code, *args):
    """Run a program in another process."""
    return subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True)


def finished(process):
    """What a process printed, once it has ended well."""
    output, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    return output.split()


def in_fork(work):
    """Do something in a forked child; give the code it ended with."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
class TestFork:
    def test_child_opens_anew_by_itself(self, queue):
        queue.add()
        mine = queue.broker.database.session()

        def work():
            assert queue.broker.database.session() is not mine
            queue.add()

        assert in_fork(work) == 0
        assert queue.broker.database.session() is mine
        assert len(queue.find()) == 2

    def test_child_leaves_its_parents_doorbell_alone(self, queue):
        address = queue.storage.reply_address()
        task = queue.add(reply_to=address)

        def work():
            assert queue.storage.reply_address() != address
            owner = queue.worker()
            queue.finish(owner, [success(delivery) for delivery in queue.take_all(owner)])
            queue.close()

        assert in_fork(work) == 0
        assert queue.storage._bell.receive(30) == {task}


PRODUCER = """
import sys
sys.path.append(sys.argv[2])
from sqlite.support import Blocking
queue = Blocking(sys.argv[1])
for number in range(150):
    queue.add(task=sys.argv[3])
queue.close()
"""

WORKER = """
import sys
sys.path.append(sys.argv[2])
from sqlite.support import Blocking, success
queue = Blocking(sys.argv[1])
owner = queue.worker()
while deliveries := queue.take(owner, ["default"], 7, 1.0):
    print(*(delivery.id for delivery in deliveries))
    assert queue.finish(owner, [success(delivery) for delivery in deliveries]) == []
queue.release(owner)
queue.close()
"""


def test_writers_that_compete_lose_and_double_nothing(queue, path):
    url, tests = f"sqlite:///{path}", str(Path(__file__).parent.parent)
    producers = [start(PRODUCER, url, tests, name) for name in ("a", "b")]
    workers = [start(WORKER, url, tests) for _ in range(2)]
    assert [finished(process) for process in producers] == [[], []]
    taken = [task for process in workers for task in finished(process)]
    while deliveries := queue.take_all(owner := queue.worker()):  # workers leave when there is nothing for a second
        taken += [delivery.id for delivery in deliveries]
        queue.finish(owner, [success(delivery) for delivery in deliveries])
    records = queue.find(limit=1000)
    assert Counter(taken) == Counter(record.id for record in records)
    assert Counter(record.status for record in records) == {"success": 300}


def test_blocking_program_does_without_asyncio(path):
    code = f"""
import sys
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.storage import SqliteStorage
from qtasks.backends.sqlite.global_config import SqliteGlobalConfig
from qtasks.ports import BackendContext
broker = SqliteBroker.from_url("sqlite:///{path}", BackendContext()).blocking()
for coroutine in (broker.open(), broker.publish([]), broker.close()):
    try:
        coroutine.send(None)
    except StopIteration:
        pass
print("asyncio" in sys.modules)
"""
    assert finished(start(code)) == ["False"]
