"""Waking each other: sockets beside the database, UDP where they cannot be, and nobody who stays behind.

`POLL_S` is an hour in the tests of waking: only a bell can end these waits in time.
"""

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.doorbell import Doorbell, ring
from qtasks.backends.sqlite.storage import SqliteStorage
from qtasks.message import new_id
from sqlite.support import envelope, success

WAIT_S = 30


def listeners(queue):
    """How many are listed to be rung."""
    session = queue.broker.database.session()
    return session.execute("SELECT count(*) FROM listener").fetchone()[0]


def names(directory):
    """What is in a directory."""
    return sorted(path.name for path in Path(directory).iterdir())


def until(condition):
    """Give other threads their turn until something is so."""
    while not condition():
        time.sleep(0)


@pytest.fixture
def bell(tmp_path):
    bell = Doorbell(str(tmp_path))
    yield bell
    bell.close()


@pytest.fixture
def no_polling(monkeypatch):
    for module in ("database", "moves", "queue"):
        monkeypatch.setattr(f"qtasks.backends.sqlite.{module}.POLL_S", 3600.0)


@pytest.fixture(params=["unix", "udp"])
def kind(request, monkeypatch):
    """The kind of the bells: by UDP where the paths of sockets are too long."""
    if request.param == "udp":
        monkeypatch.setattr("qtasks.backends.sqlite.doorbell._LONGEST_PATH", 0)
    return request.param


class TestBell:
    def test_names_are_heard(self, kind, tmp_path):
        bell = Doorbell(str(tmp_path))
        assert bell.address.startswith(kind)
        ring(str(tmp_path), bell.address, ["a", "b"])
        assert bell.receive(WAIT_S) == {"a", "b"}
        assert bell.receive() == set()
        bell.close()

    def test_long_path_is_replaced_by_udp(self, tmp_path):
        directory = tmp_path / ("d" * 100)
        directory.mkdir()
        bell = Doorbell(str(directory))
        assert bell.address.startswith("udp:")
        assert names(directory) == []
        bell.close()

    def test_many_names_are_heard_in_several_datagrams(self, bell, tmp_path):
        names = [new_id() for _ in range(250)]
        ring(str(tmp_path), bell.address, names)
        assert bell.receive() == set(names)

    def test_crowd_of_datagrams_may_hide_others(self, bell, tmp_path):
        for _ in range(20):
            ring(str(tmp_path), bell.address, ["a"])
        assert bell.receive() is None

    def test_strangers_without_the_token_are_not_heard(self, bell):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"0123456789abcdef a", str(bell._path))
            stranger.sendto(b"\xff\x00", str(bell._path))
        assert bell.receive() == set()

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "unix:../../etc/x:0123456789abcdef",
            "unix:00000000:0123456789abcdef",
            "udp:99999999:0123456789abcdef",
            "udp:fff:0123456789abcdef",
            "udp:9",
            "tcp:1:0123456789abcdef",
        ],
    )
    def test_nonsense_is_passed_over(self, tmp_path, address):
        ring(str(tmp_path), address, ["a"])

    def test_undelivered_names_do_not_raise(self, bell, tmp_path):
        for _ in range(100):
            ring(str(tmp_path), bell.address, ["a"])
        ring(str(tmp_path), bell.address, ["x" * 10**6])

    def test_socket_goes_with_its_bell(self, tmp_path):
        bell = Doorbell(str(tmp_path))
        assert len(names(tmp_path)) == 1
        bell.close()
        assert names(tmp_path) == []

    def test_sockets_of_the_dead_are_removed(self, bell, tmp_path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
            dead.bind(str(tmp_path / "dead"))
        (tmp_path / "a file").touch()
        other = Doorbell(str(tmp_path))
        assert names(tmp_path) == sorted(["a file", bell._path.name, other._path.name])
        other.close()

    def test_bells_of_closed_loops_are_freed(self, queue, path):
        storage = SqliteStorage.from_url(f"sqlite:///{path}", queue.context)

        async def main():
            assert storage.reply_address().startswith("unix:")

        for _ in range(3):
            asyncio.run(main())
        assert len(names(f"{path}.bells")) == 1


@pytest.mark.usefixtures("no_polling")
class TestWaking:
    def test_idle_taker_is_woken_by_a_task(self, queue, kind):
        owner = queue.worker()
        taking = Answer(queue.take, owner, ["default"], 1, WAIT_S)
        until(lambda: listeners(queue))
        task = queue.add()
        assert [delivery.id for delivery in taking.get()] == [task]

    def test_one_task_wakes_one_of_two(self, connect, monkeypatch):
        queue = connect()
        owners = [queue.worker(), queue.worker()]
        takings = [Answer(queue.take, owner, ["default"], 1, WAIT_S) for owner in owners]
        until(lambda: listeners(queue) == 2)
        queue.add()
        assert listeners(queue) == 1
        queue.add()
        assert [len(taking.get()) for taking in takings] == [1, 1]

    def test_idle_taker_is_woken_when_a_task_is_handed_back(self, queue, kind):
        queue.add()
        busy, idle = queue.worker(), queue.worker()
        queue.take_all(busy)
        taking = Answer(queue.take, idle, ["default"], 1, WAIT_S)
        until(lambda: listeners(queue))
        queue.release(busy)
        assert len(taking.get()) == 1

    def test_idle_taker_takes_a_delayed_task_when_it_is_due(self, queue):
        owner = queue.worker()
        taking = Answer(queue.take, owner, ["default"], 1, WAIT_S)
        until(lambda: listeners(queue))
        queue.add(due=queue.context.clock.wall_us() + 50_000)
        assert len(taking.get()) == 1

    def test_producer_is_told_at_its_own_address(self, queue, kind):
        task = queue.add(reply_to=queue.storage.reply_address())
        owner = queue.worker()

        def work():
            queue.finish(owner, [success(delivery) for delivery in queue.take(owner, ["default"], 1, WAIT_S)])

        working = Answer(work)
        assert queue.wait(task, WAIT_S).status == "success"
        assert listeners(queue) == 0
        working.get()

    def test_others_who_wait_are_told_too(self, queue, kind):
        task = queue.add(reply_to="nobody")
        waiting = [Answer(queue.wait, task, WAIT_S) for _ in range(3)]
        until(lambda: listeners(queue) == 3)
        owner = queue.worker()
        queue.finish(owner, [success(delivery) for delivery in queue.take_all(owner)])
        assert [one.get().status for one in waiting] == ["success"] * 3

    def test_owner_is_told_whom_to_cancel(self, queue, kind):
        task, owner = queue.add(), queue.worker()
        queue.take_all(owner)
        telling = Answer(queue.cancel_requests, owner, [], WAIT_S)
        until(lambda: listeners(queue))
        queue.cancel(task, "no")
        assert telling.get() == {task: "no"}
        assert listeners(queue) == 0

    def test_owner_that_waits_again_is_listed_again_and_not_swept_away(self, queue):
        task, owner = queue.add(), queue.worker()
        queue.take_all(owner)

        def wait_twice():
            assert queue.cancel_requests(owner, [], 0.02) == {}
            return queue.cancel_requests(owner, [], WAIT_S)

        def listed_until():
            (row,) = queue.broker.database.session().execute("SELECT coalesce(max(until), 0) FROM listener")
            return row[0]

        telling = Answer(wait_twice)
        until(lambda: listed_until() > queue.context.clock.wall_us() + WAIT_S * 500_000)
        queue.beat([owner])
        queue.cancel(task, "no")
        assert telling.get() == {task: "no"}

    def test_one_bell_serves_all_coroutines_of_a_loop(self, queue, path):
        async def main():
            broker = SqliteBroker.from_url(f"sqlite:///{path}", queue.context)
            storage = SqliteStorage.from_url(f"sqlite:///{path}", queue.context)
            await broker.open()
            await storage.open()
            tasks = await broker.publish([envelope(reply_to=storage.reply_address()) for _ in range(30)])
            waits = [asyncio.create_task(storage.wait(task, WAIT_S)) for task in tasks]
            await asyncio.sleep(0)
            owner = new_id()
            await broker.join(owner, "w", 15)
            for _ in tasks:
                await broker.finish(owner, [success(d) for d in await broker.take(owner, ["default"], 1, 0)])
            records = await asyncio.gather(*waits)
            assert [record.id for record in records] == tasks
            assert len(names(f"{path}.bells")) == 1
            await storage.close()
            await broker.close()

        asyncio.run(main())

    def test_crowd_of_waiters_is_told_to_the_last(self, queue, path):
        async def main():
            broker = SqliteBroker.from_url(f"sqlite:///{path}", queue.context)
            storage = SqliteStorage.from_url(f"sqlite:///{path}", queue.context)
            await broker.open()
            await storage.open()
            tasks = await broker.publish([envelope() for _ in range(150)])
            waits = [asyncio.create_task(storage.wait(task, WAIT_S)) for task in tasks]
            while listeners(queue) < len(tasks):  # noqa: ASYNC110 - nobody tells who begins to listen
                await asyncio.sleep(0)
            owner = new_id()
            await broker.join(owner, "w", 15)
            while deliveries := await broker.take(owner, ["default"], 40, 0):
                await broker.finish(owner, [success(delivery) for delivery in deliveries])
            assert {record.status for record in await asyncio.gather(*waits)} == {"success"}
            assert listeners(queue) == 0
            await storage.close()
            await broker.close()

        asyncio.run(main())


def test_loop_without_readers_still_finds_its_tasks(queue, path, monkeypatch):
    """As on Windows, where the loop cannot listen: who waits looks by itself."""

    def add_reader(*_):
        raise NotImplementedError

    for module in ("database", "queue"):
        monkeypatch.setattr(f"qtasks.backends.sqlite.{module}.POLL_S", 0.02)

    async def main():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "add_reader", add_reader)
        monkeypatch.setattr(loop, "remove_reader", add_reader)
        broker = SqliteBroker.from_url(f"sqlite:///{path}", queue.context)
        await broker.open()
        owner = new_id()
        await broker.join(owner, "w", 15)
        taking = asyncio.create_task(broker.take(owner, ["default"], 1, WAIT_S))
        await asyncio.sleep(0)
        task = queue.add()
        assert [delivery.id for delivery in await taking] == [task]
        await broker.close()

    asyncio.run(main())


class Answer:
    """A call in a thread of its own."""

    def __init__(self, call, *args):
        self._thread = threading.Thread(target=self._run, args=(call, *args), daemon=True)
        self._thread.start()

    def _run(self, call, *args):
        self.value = call(*args)

    def get(self):
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "nobody rang"
        return self.value
