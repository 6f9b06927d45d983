"""What somebody else has written into our keys: no call breaks on it, nothing of ours is lost, and the key is named."""

from contextlib import closing, suppress
from itertools import count

import msgspec
import pytest
import redis
from qtasks import TaskStatus
from qtasks.errors import BackendCorruptError
from qtasks.ports import TaskCounts
from qtasks_redis.broker import RedisBroker
from qtasks_redis.global_config import RedisGlobalConfig
from qtasks_redis.storage import RedisStorage
from qtasks_testkit.faults import until
from qtasks_testkit.rig import FrozenClock, Rig, UrlPlace

pytestmark = pytest.mark.needs("redis")

TYPES = {
    "string": ("layout", "numbers", "config-version"),
    "list": ("ended", "pushed:{owner}"),
    "set": ("held:{owner}", "paused"),
    "zset": ("ready:default", "delayed:default", "idle:default", "leases", "expiring", "dead", "value-ends"),
    "hash": (
        *("running", "owners", "more", "unique", "waiters", "queues", "finished", "parked"),
        *("workers", "counts", "values", "config"),
    ),
}

JUNK = [b"\x00", b"\xff" * 54, b"{}", b"x" * 10_000, b"80000000" + b"0" * 46, b"8" * 32 + b" \xff", b"9" * 400]

NOT_MORE = [
    {"a": "x"},
    {"a": float("nan"), "c": [], "d": {}},
    {"c": 2.5, "s": "x", "p": b"\xff"},
    {"h": "text"},
    {"h": [1, b"\xff", {}], "k": 5},
    {"h": {"x": 1}, "l": []},
    {"x": "soon", "u": 1},
    {"x": float("inf"), "u": "\x00"},
    {"z" * 300: [[[[[]]]]]},
]
"""Maps that could stand in `more`, with values that do not fit."""


@pytest.fixture
def place(redis_server):
    return UrlPlace(redis_server.url, RedisBroker, RedisStorage, RedisGlobalConfig)


@pytest.fixture
def rig(place):
    rig = Rig(place, "blocking", FrozenClock())
    yield rig
    rig.close()


@pytest.fixture
def server(redis_server):
    with redis.Redis.from_url(redis_server.url) as server:
        yield server


@pytest.fixture
def key(place):
    return lambda name: f"qtasks:{{{place.prefix}.conformance}}:{name}"


def spoil(server, key, *, but=""):
    """Put something of another type in the place of a key; what is returned puts it back."""
    aside = f"aside:{key}"
    with suppress(redis.ResponseError):
        server.rename(key, aside)
    if but == "string":
        server.rpush(key, "junk")
    else:
        server.set(key, "junk")

    def mend():
        server.delete(key)
        if server.exists(aside):
            server.rename(aside, key)

    return mend


def finish_all(rig, worker):
    """Do whatever is there; what was lost with an answer comes again."""
    in_hand = []
    while deliveries := worker.take(100, in_hand=in_hand):
        in_hand = None
        for delivery in deliveries:
            assert worker.succeed(delivery) == []


def each_call(rig, worker, deliveries):
    """Calls of every kind, such as workers, producers and readers make."""
    first, second, third = deliveries
    yield lambda: worker.take(2)
    yield lambda: worker.take(0, in_hand=deliveries)
    yield lambda: worker.succeed(first)
    yield lambda: worker.retry(second, due=rig.clock.wall_us() + 1_000_000)
    yield lambda: worker.hand_back(third)
    yield worker.beat
    yield rig.worker
    yield rig.broker.inspect
    yield rig.storage.find
    yield lambda: rig.storage.report(None, {"t": TaskCounts(runs=1)})
    yield rig.storage.counts
    yield rig.storage.workers
    yield lambda: rig.storage.save_value("k", b"v", 0)
    yield lambda: rig.storage.find_values("")
    yield rig.broker.open


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TYPES.items() for name in names])
def test_key_of_another_type_is_named_and_nothing_is_lost(rig, place, server, key, kind, name):
    ids = rig.add_many(6)
    ids += [rig.add(unique="u", expires_in_s=3600), rig.add(due_in_s=0.5)]
    worker = rig.worker()
    deliveries = worker.take(3)
    rig.clock.advance(1)
    config = rig.face.view(place.connect_config(rig.context))
    broken = key(name.format(owner=worker.owner))

    mend = spoil(server, broken, but=kind)
    hints = []
    calls = [
        *each_call(rig, worker, deliveries),
        lambda: rig.face.call(config.get("a", "b")),
        lambda: rig.face.call(config.wait_change(0, 0)),
        lambda: ids.append(rig.add()),
    ]
    for call in calls:
        try:
            call()
        except BackendCorruptError as error:
            hints.append(error.hint)
    mend()

    if name not in {"parked", "waiters", "unique", "idle:default", "pushed:{owner}"}:  # which most calls never touch
        assert hints
    assert all(f"'{broken}'" in hint for hint in hints)
    rig.clock.advance(2)
    finish_all(rig, worker)
    assert {rig.status(task_id) for task_id in ids} == {TaskStatus.SUCCESS}


def test_counter_that_is_no_number_is_named(rig, server, key):
    rig.add()
    server.set(key("numbers"), "many")
    with pytest.raises(BackendCorruptError) as caught:
        rig.worker().take()
    assert key("numbers") in caught.value.hint
    assert rig.add()  # what is accepted is counted elsewhere
    server.set(key("numbers"), 7)
    assert len(rig.worker().take(2)) == 2


def test_counter_that_is_no_number_is_named_to_who_waits(rig, server, key):
    server.set(key("numbers"), "many")
    with pytest.raises(BackendCorruptError) as caught:
        rig.worker().take(wait_s=1)
    assert key("numbers") in caught.value.hint


def test_damaged_queue_takes_nothing_from_another(rig, server, key):
    ids = [rig.add(queue="a") for _ in range(3)]
    server.set(key("ready:b"), "junk")
    worker = rig.worker()
    for _ in range(2):  # each queue comes first once
        with pytest.raises(BackendCorruptError):
            worker.take(3, ["a", "b"])
    server.delete(key("ready:b"))
    assert [delivery.id for delivery in worker.take(3, ["a", "b"], in_hand=[])] == ids


def test_clock_that_is_set_back_makes_no_lease_longer(rig):
    task = rig.add()
    dead, alive = rig.worker(), rig.worker(lease_s=60)
    dead.take()
    rig.clock.advance(-500)
    assert alive.beat()
    rig.clock.advance(16)
    assert alive.beat()
    assert [delivery.id for delivery in alive.take()] == [task]


def test_layout_that_is_no_number_is_named(rig, server, key):
    server.set(key("layout"), "old")
    with pytest.raises(BackendCorruptError) as caught:
        rig.broker.open()
    assert key("layout") in caught.value.hint


@pytest.mark.parametrize("more", NOT_MORE, ids=range(len(NOT_MORE)))
def test_what_only_some_tasks_have_may_be_anything(rig, server, key, more):
    task_id = rig.add()

    def spoil_more():
        server.hset(key("more"), task_id, msgspec.msgpack.encode(more))

    worker = rig.worker()
    spoil_more()
    [delivery] = worker.take()
    spoil_more()
    assert worker.retry(delivery) == []
    spoil_more()
    worker.take()
    spoil_more()
    worker.die()
    spoil_more()
    worker = rig.worker()
    [delivery] = worker.take()
    spoil_more()
    assert rig.find_record(task_id) is not None
    assert worker.succeed(delivery) == []
    assert rig.status(task_id) is TaskStatus.SUCCESS


@pytest.mark.parametrize("length", [0, 10, 54, 60])
def test_task_whose_record_was_cut_while_it_ran_becomes_a_dead_letter(rig, server, key, length):
    task_id = rig.add()
    worker = rig.worker()
    worker.take()
    server.set(key(f"task:{task_id}"), server.get(key(f"task:{task_id}"))[:length])
    worker.leave()
    record = rig.record(task_id)
    assert (record.status, record.error.type) == (TaskStatus.DEAD, "malformed")


def test_unique_key_of_a_task_that_is_not_there_stops_nobody(rig, server, key):
    server.hset(key("unique"), "default u", b"\xff" * 32)
    task_id = rig.add(unique="u")
    assert rig.status(task_id) is TaskStatus.NEW
    assert rig.add(unique="u") == task_id


def test_wish_to_cancel_in_no_language_is_heard(rig, server, key):
    task_id = rig.add()
    worker = rig.worker()
    worker.take()
    server.hset(key("more"), task_id, b"\x81\xa1k\xa1\xff")
    assert list(rig.broker.cancel_requests(worker.owner)) == [task_id]


def test_messages_that_somebody_else_publishes_are_passed_over(place, server, key):
    with closing(Rig(place, "async", FrozenClock())) as rig:
        worker = rig.worker()
        taken = worker.start_take()
        until(lambda: rig.storage.workers() == [] and server.zcard(key("idle:default")))  # a call moves the loop on
        for channel in server.pubsub_channels(key("changes*")):
            for junk in [*JUNK, b"", b"0" * 14, b"0" * 14 + b"8" * 60]:
                server.publish(channel, junk)
                server.publish(channel, f"take {worker.owner}\n".encode() + junk)
        task_id = rig.add()
        assert [delivery.id for delivery in taken()] == [task_id]


def fill_with_junk(server, key, owner):
    """Put junk into every key that holds many things."""
    numbers = count()
    for kind, names in TYPES.items():
        for name in names:
            for junk in JUNK:
                where = key(name.format(owner=owner))
                if kind == "hash":
                    server.hset(where, junk, JUNK[next(numbers) % len(JUNK)])
                elif kind == "zset":
                    score = ["-inf", "inf", 0, 1e18, -1.5][next(numbers) % 5]
                    server.zadd(where, {junk: score})
                elif kind == "set":
                    server.sadd(where, junk)
                elif kind == "list":
                    server.rpush(where, junk)


def test_junk_in_every_key_breaks_no_call_and_stops_no_task(rig, server, key):
    worker = rig.worker()
    ids = rig.add_many(20)
    fill_with_junk(server, key, worker.owner)
    ids += rig.add_many(20)
    in_hand = []
    for _ in range(100):
        deliveries = worker.take(10, in_hand=in_hand)
        in_hand = None
        for delivery in deliveries:
            worker.succeed(delivery)
        if len(deliveries) >= 3:
            for call in each_call(rig, worker, deliveries[:3]):
                call()
        if not deliveries:
            break
    assert {rig.status(task_id) for task_id in ids} == {TaskStatus.SUCCESS}
    assert server.zcard(key("ready:default")) == 0
    rig.broker.purge("default")
    assert [facts.ready for facts in rig.broker.inspect() if facts.name == "default"] == [0]
