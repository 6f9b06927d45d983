"""What goes wrong with the file: each has its own error with the mend, and nothing accepted is lost."""

import asyncio
import contextlib
import sqlite3

import pytest
from qtasks import errors
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.doorbell import Doorbell
from qtasks.backends.sqlite.loop import LoopBell
from qtasks.backends.sqlite.schema import APPLICATION_ID, LAYOUT
from qtasks.message import new_id
from qtasks.ports import BackendContext
from sqlite.support import drive, envelope, success


@contextlib.contextmanager
def locked(path):
    """Hold the lock of writers, as another process would."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def rewrite(path, *statements):
    """Change the file behind the backend's back."""
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        for statement in statements:
            other.execute(statement)


def add_large(queue):
    """Add a task that takes a quarter of a page; nothing when that does not fit."""
    with contextlib.suppress(errors.BackendFullError):
        return queue.publish([envelope(args=["x" * 1000])])


class TestLocked:
    def test_call_raises_when_time_is_up(self, queue, path):
        queue.broker.call_timeout_s = 0.05
        with locked(path), pytest.raises(errors.BackendUnavailableError, match=r"q\.db is locked") as caught:
            queue.add()
        assert caught.value.hint == f"Find who holds it: fuser -v {path}"
        assert queue.inspect() == []

    def test_call_goes_on_when_the_lock_is_free_again(self, queue, path, monkeypatch):
        with locked(path) as other:

            async def pause(_):
                if other.in_transaction:
                    other.execute("ROLLBACK")

            monkeypatch.setattr(Doorbell, "pause", pause)
            task = queue.add()
        assert queue.get_many([task])[0].status == "new"

    def test_readers_do_not_wait(self, queue, path):
        task = queue.add()
        queue.storage.call_timeout_s = 0
        with locked(path):
            assert [record.id for record in queue.get_many([task])] == [task]

    def test_opening_waits_for_the_lock_as_every_call_does(self, queue, path):
        other = SqliteBroker.from_url(f"sqlite:///{path}", BackendContext(namespace="new")).blocking()
        other.call_timeout_s = 0.05
        with locked(path), pytest.raises(errors.BackendUnavailableError, match="is locked"):
            drive(other.open())
        drive(other.open())
        drive(other.close())

    def test_take_that_is_cancelled_while_it_waits_for_the_lock_owns_nothing(self, queue, path, monkeypatch):
        task = queue.add()
        owner = queue.worker()

        async def main():
            broker = SqliteBroker.from_url(f"sqlite:///{path}", queue.context)
            await broker.open()
            paused = asyncio.Event()

            async def pause(_):
                paused.set()
                await asyncio.sleep(0)

            monkeypatch.setattr(LoopBell, "pause", pause)
            with locked(path):
                taking = asyncio.create_task(broker.take(owner, ["default"], 1, 10))
                await paused.wait()
                taking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await taking
            await broker.close()

        asyncio.run(main())
        assert queue.get_many([task])[0].status == "new"

    def test_event_loop_goes_on_meanwhile(self, queue, path):
        async def main():
            broker = SqliteBroker.from_url(f"sqlite:///{path}", queue.context)
            await broker.open()
            with locked(path) as other:
                adding = asyncio.create_task(broker.publish([envelope()]))
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not adding.done()
                other.execute("ROLLBACK")
                assert len(await adding) == 1
            await broker.close()

        asyncio.run(main())


class TestFull:
    def test_publishing_raises_and_leaves_nothing_behind(self, connect, path):
        queue = connect(f"sqlite:///{path}?max_pages=60")
        first = queue.add()
        with pytest.raises(errors.BackendFullError, match="no room left"):
            queue.publish([envelope(args=["x" * 1000]) for _ in range(1000)])
        assert [record.id for record in queue.find(limit=2000)] == [first]

    def test_work_goes_on_with_what_is_there_and_frees_room(self, connect, path):
        queue = connect(f"sqlite:///{path}?max_pages=60")
        tasks = []
        while fits := add_large(queue):
            tasks += fits
        owner = queue.worker()
        deliveries = queue.take_all(owner, len(tasks))
        assert [delivery.id for delivery in deliveries] == tasks
        assert queue.finish(owner, [success(delivery, keep_s=0) for delivery in deliveries]) == []
        assert len(queue.publish([envelope(args=["x" * 1000]) for _ in range(len(tasks) // 2)])) == len(tasks) // 2


class TestReadOnly:
    def test_records_can_be_read(self, queue, connect, path):
        task = queue.add()
        reader = connect(f"sqlite:///{path}?mode=ro")
        assert reader.get_many([task])[0].status == "new"
        assert [facts.ready for facts in reader.inspect()] == [1]

    def test_writing_is_refused_and_says_so(self, queue, connect, path):
        reader = connect(f"sqlite:///{path}?mode=ro")
        with pytest.raises(errors.BackendReadOnlyError, match="is read-only"):
            reader.add()
        assert queue.inspect() == []

    def test_namespace_that_is_not_there_is_empty(self, queue, connect, path):
        queue.add()
        reader = connect(f"sqlite:///{path}?mode=ro", namespace="other")
        assert (reader.find(), reader.inspect()) == ([], [])

    def test_missing_file_is_not_created(self, connect, path):
        with pytest.raises(errors.BackendUnavailableError, match="cannot be opened"):
            connect(f"sqlite:///{path}?mode=ro")
        assert not path.exists()


class TestUnreadable:
    def test_file_that_is_no_database_is_corrupt(self, connect, path):
        path.write_bytes(b"not a database at all " * 1000)
        with pytest.raises(errors.BackendCorruptError, match="not one of SQLite") as caught:
            connect()
        assert f"sqlite3 {path} .recover" in caught.value.hint
        assert path.read_bytes().startswith(b"not a database")

    def test_database_of_another_program_is_left_alone(self, connect, path):
        rewrite(path, "CREATE TABLE users (name TEXT)")
        before = path.read_bytes()
        with pytest.raises(errors.BackendCorruptError, match="of another program"):
            connect()
        assert path.read_bytes() == before

    def test_newer_layout_asks_for_an_upgrade(self, connect, path):
        rewrite(path, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {LAYOUT + 1}")
        with pytest.raises(errors.LayoutError, match=f"has layout {LAYOUT + 1}") as caught:
            connect()
        assert "pip install -U qtasks-core" in caught.value.hint

    def test_damaged_page_is_an_error_of_its_own(self, connect, path):
        queue = connect()
        queue.publish([envelope() for _ in range(200)])
        queue.close()
        with path.open("r+b") as file:
            file.seek(4096 * 8)
            file.write(b"\xff" * 4096 * 30)
        queue.open()
        with pytest.raises(errors.BackendCorruptError):
            queue.take_all(queue.worker())

    def test_copy_without_a_write_ahead_log_gets_one(self, connect, path):
        connect().close()
        rewrite(path, "PRAGMA journal_mode = delete")
        connect().add()
        assert path.with_name("q.db-wal").exists()


class TestRemoved:
    def test_calls_go_on_with_a_new_file(self, queue, path, monkeypatch):
        queue.add()
        owner = queue.worker()
        monkeypatch.setattr("qtasks.backends.sqlite.session._LOOK_S", 0)
        for file in path.parent.glob("q.db*"):
            if file.is_file():
                file.unlink()
        assert queue.beat([owner]) == set()
        task = queue.add()
        assert [record.id for record in queue.find()] == [task]
        assert [delivery.id for delivery in queue.take_all(queue.worker())] == [task]


class TestBoot:
    def test_tasks_of_owners_from_before_are_handed_over_again(self, connect):
        class Clock:
            monotonic = 10**12

            def monotonic_us(self):
                return self.monotonic

            def wall_us(self):
                return 18 * 10**14

        clock = Clock()
        queue = connect(clock=clock)
        task = queue.add()
        owner = queue.worker()
        queue.take_all(owner)
        clock.monotonic = 10**6  # the machine has booted anew
        assert queue.beat([owner]) == set()
        [delivery] = queue.take_all(queue.worker())
        assert (delivery.id, delivery.recovered, delivery.crashes) == (task, True, 0)


def test_namespaces_do_not_see_each_other(queue, connect):
    other = connect(namespace="other")
    task_id = new_id()
    assert queue.publish([envelope(id=task_id)]) == other.publish([envelope(id=task_id)]) == [task_id]
    assert len(queue.find()) == len(other.find()) == 1
    assert queue.cancel(task_id, "no") == "cancelled"
    assert [record.status for record in other.find()] == ["new"]
