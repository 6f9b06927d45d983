"""The memory backend passes the conformance suite, and keeps the promises that are its own."""

import asyncio
import itertools
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import drop
from qtasks.errors import ConfigError
from qtasks.ports import BackendContext, WorkerFacts
from qtasks_testkit.conformance.broker import BrokerConformance
from qtasks_testkit.conformance.global_config import GlobalConfigConformance
from qtasks_testkit.conformance.split import SplitStorageConformance
from qtasks_testkit.conformance.storage import ReportConformance, StorageConformance, ValueConformance
from qtasks_testkit.faces import AT_ONCE_S, PATIENCE_S
from qtasks_testkit.machine import StateMachineConformance
from qtasks_testkit.rig import FrozenClock, Rig

numbers = itertools.count()


class MemoryPlace:
    """A name of its own: forgotten by `drop`."""

    def __init__(self):
        self.name = f"test-{next(numbers)}"
        self.url = f"memory://{self.name}"

    def connect(self, context):
        return MemoryBroker.from_url(self.url, context), MemoryStorage.from_url(self.url, context)

    def connect_config(self, context):
        return MemoryGlobalConfig.from_url(self.url, context)


class OnMemory:
    @pytest.fixture
    def new_place(self):
        places = []

        def new_place():
            places.append(MemoryPlace())
            return places[-1]

        yield new_place
        for place in places:
            drop(place.name)


class TestMemoryBroker(OnMemory, BrokerConformance):
    pass


class TestMemoryStorage(OnMemory, StorageConformance, ReportConformance, ValueConformance):
    pass


class TestMemoryAsSplitStorage(OnMemory, SplitStorageConformance):
    pass


class TestMemoryGlobalConfig(OnMemory, GlobalConfigConformance):
    pass


class TestMemoryStateMachine(OnMemory, StateMachineConformance):
    pass


@pytest.fixture
def place():
    place = MemoryPlace()
    yield place
    drop(place.name)


@pytest.fixture(params=["async", "blocking"])
def rig(request, place):
    rig = Rig(place, request.param, FrozenClock())
    yield rig
    rig.close()


def test_applications_share_a_store_by_name_and_namespace(place):
    def store(url, namespace):
        return MemoryBroker.from_url(url, BackendContext(namespace=namespace)).store

    assert store(place.url, "app") is store(place.url, "app")
    assert store(place.url, "app") is not store(place.url, "other")
    assert store(place.url, "app") is not store("memory://", "app")
    drop()


def test_url_without_a_name_means_the_default_one():
    assert MemoryBroker.from_url("memory://", BackendContext()).url == "memory://default"
    assert MemoryBroker.from_url("memory://", BackendContext()).store is (
        MemoryBroker.from_url("memory://default", BackendContext()).store
    )
    drop()


def test_store_that_was_dropped_is_empty_when_it_is_named_again(place, rig):
    rig.add()
    drop(place.name)
    again = Rig(place, "blocking", rig.clock)
    assert again.broker.inspect() == []
    assert rig.queue().ready == 1


@pytest.mark.parametrize("url", ["memory://a/b", "memory://a?b=1", "memory://a#b", "memory://a b", "memory://a:1@b"])
def test_url_with_more_than_a_name_is_refused(url):
    with pytest.raises(ConfigError, match="memory://name") as caught:
        MemoryBroker.from_url(url, BackendContext())
    assert caught.value.hint


def test_worker_that_waits_sees_a_moved_clock_when_it_is_notified(rig):
    task = rig.add(due_in_s=10)
    taken = rig.worker().start_take()
    rig.clock.advance(10)
    rig.broker.component.store.notify()
    assert [delivery.id for delivery in taken()] == [task]


def test_waiters_of_several_event_loops_are_all_told(rig):
    task = rig.add()
    worker = rig.worker()
    [delivery] = worker.take()
    storage = MemoryStorage(rig.broker.component.store, "another")
    with ThreadPoolExecutor(3) as threads:
        records = [threads.submit(asyncio.run, storage.wait(task, PATIENCE_S)) for _ in range(3)]
        while len(storage.store._sleepers) < 3:
            time.sleep(0)
        worker.succeed(delivery)
        assert [record.result(AT_ONCE_S).status for record in records] == ["success"] * 3


def test_waiter_whose_event_loop_was_closed_disturbs_nobody(rig):
    loop = asyncio.new_event_loop()
    storage = MemoryStorage(rig.broker.component.store, "another")
    task = rig.add()
    abandoned = loop.create_task(storage.wait(task, PATIENCE_S))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    abandoned._log_destroy_pending = False
    worker = rig.worker()
    assert worker.succeed(*worker.take()) == []


def test_nothing_is_left_of_waiters_values_and_reports_when_they_are_over(rig):
    rig.worker().take(wait_s=0.01)
    rig.storage.save_value("key", b"1", 0, ttl_s=60)
    rig.storage.report(report(rig.clock, "gone"), {})
    rig.clock.advance(61)
    rig.clean_up()
    rig.storage.report(report(rig.clock, "here"), {})
    store = rig.broker.component.store
    assert (store._sleepers, store._state.values, list(store._state.workers)) == (set(), {}, ["here"])


def report(clock, owner):
    now = clock.wall_us()
    return WorkerFacts(owner=owner, name="w", host="h", pid=1, version="0", started=now, beat=now)


def test_importing_the_backend_loads_no_event_loop():
    modules = ("broker", "storage", "global_config")
    imports = "; ".join(f"import qtasks.backends.memory.{module}" for module in modules)
    code = f"import sys; {imports}; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
