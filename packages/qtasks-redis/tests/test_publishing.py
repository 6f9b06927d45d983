"""What `publish.lua` promises beside the contract: order whatever is refused, and all of a batch or none of it.

Messages without options go a shorter way than those with some, so every claim is made of both.
"""

import time
from contextlib import closing

import pytest
import redis
from qtasks.errors import BackendCorruptError
from qtasks_redis.broker import RedisBroker
from qtasks_redis.storage import RedisStorage
from qtasks_testkit.rig import FrozenClock, Rig, UrlPlace

pytestmark = pytest.mark.needs("redis")

PUBLISHED_TO = ("ready:default", "delayed:default", "idle:default", "expiring", "unique", "more", "waiters", "queues")
"""Keys that a message may be written to, or that are looked at for who waits."""

EVERYTHING = {"unique": "u", "attempt": 1, "priority": 5}


@pytest.fixture
def place(redis_server):
    return UrlPlace(redis_server.url, RedisBroker, RedisStorage)


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


@pytest.fixture(params=["bare", "with options"])
def new(request, rig):
    """Make a message, with an option that changes nothing or without."""
    reply_to = None if request.param == "bare" else "somebody"
    return lambda **fields: rig.envelope(reply_to=reply_to, **fields)


def handed_over(rig):
    return [delivery.id for delivery in rig.worker().take(100)]


def named(call, key):
    """Whether a call was refused for a key, which must be named."""
    try:
        call()
    except BackendCorruptError as refusal:
        error = refusal
    else:
        return False
    assert f"'{key}'" in error.hint
    return True


def test_what_comes_later_stays_behind_a_batch_of_which_some_were_known(rig, new):
    before = [new() for _ in range(5)]
    rig.broker.publish(before)
    rig.broker.publish([*before, behind := new()])
    rig.broker.publish([last := new()])
    assert handed_over(rig) == [one.message.id for one in (*before, behind, last)]


def test_what_comes_later_stays_behind_a_batch_of_which_some_were_not_unique(rig, new):
    known = rig.add(unique="u")
    batch = [new(unique="u"), new(), new(unique="u"), new()]
    assert rig.broker.publish(batch) == [known, batch[1].message.id, known, batch[3].message.id]
    rig.broker.publish([last := new()])
    assert handed_over(rig) == [known, batch[1].message.id, batch[3].message.id, last.message.id]
    assert rig.queue().enqueued == 4


def test_a_message_that_is_twice_in_a_batch_has_its_first_place(rig, new):
    first, second = new(), new()
    rig.broker.publish([first, second, first])
    assert handed_over(rig) == [first.message.id, second.message.id]
    assert rig.queue().enqueued == 2


@pytest.mark.parametrize("count", [-5, 2**41, 2**62, 2**63 - 2, "many"])
def test_a_count_that_somebody_has_spoilt_loses_nothing(rig, new, server, key, count):
    rig.add()
    server.hset(key("queues"), "default", count)
    ids = [one for some in ([new()], [new(), new()]) for one in rig.broker.publish(some)]
    assert set(handed_over(rig)) > set(ids)
    server.hset(key("queues"), "default", count)
    rig.broker.set_paused("default", True)


@pytest.mark.parametrize("name", PUBLISHED_TO)
@pytest.mark.parametrize("more", [{}, EVERYTHING, EVERYTHING | {"due_in_s": 5, "expires_in_s": 9}], ids=len)
def test_a_batch_that_a_damaged_key_refused_has_left_nothing_and_may_be_repeated(rig, new, server, key, name, more):
    batch = [new(**more), new(**more | {"unique": None})]
    server.set(key(name), "junk")
    refused = named(lambda: rig.broker.publish(batch), key(name))
    server.delete(key(name))
    if refused:
        assert {found.decode() for found in server.scan_iter(key("*"))} <= {key("layout"), key("queues")}
        assert server.hget(key("queues"), "default") in {None, b"0"}
    rig.broker.publish(batch)
    rig.clock.advance(6)
    assert handed_over(rig) == [one.message.id for one in batch]


@pytest.mark.parametrize("name", ["running", "held:{owner}", "pushed:{owner}", "paused", "owners", "numbers"])
def test_a_push_that_a_damaged_key_refused_may_be_repeated(place, server, key, name):
    with closing(Rig(place, "async", FrozenClock())) as rig:
        worker = rig.worker()
        worker.start_take()
        deadline = time.monotonic() + 5
        while not server.zcard(key("idle:default")):
            assert time.monotonic() < deadline
            rig.storage.workers()  # a call moves the loop on
        broken = key(name.format(owner=worker.owner))
        whole = server.dump(broken)
        server.delete(broken)
        server.rpush(broken, "junk") if name == "numbers" else server.set(broken, "junk")
        message = rig.envelope(reply_to=None)
        assert named(lambda: rig.broker.publish([message]), broken)
        assert not server.exists(key(f"task:{message.message.id}"))
        server.delete(broken)
        if whole:
            server.restore(broken, 0, whole)
        rig.broker.publish([message])
        assert handed_over(rig) == [message.message.id]
