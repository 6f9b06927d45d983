"""What is left in the server when all tasks have ended: results within their time, and a few keys of bounded size."""

import pytest
import redis
from qtasks import TaskStatus
from qtasks.types import SYSTEM_CLOCK
from qtasks_redis.broker import RedisBroker
from qtasks_redis.storage import RedisStorage
from qtasks_testkit.faults import until
from qtasks_testkit.rig import Rig, UrlPlace

pytestmark = pytest.mark.needs("redis")

FOR_GOOD = {"counts", "dead", "ended", "finished", "layout", "numbers", "queues"}
"""Keys that stay, each of a bounded size."""

TASKS, CAP, ENDED = 12_000, 50, 10_000

KEEP_S = 0.3


@pytest.fixture
def server(new_redis_server):
    with redis.Redis.from_url(new_redis_server().url) as server:
        yield server


@pytest.fixture
def rig(server):
    address = server.connection_pool.connection_kwargs
    place = UrlPlace(f"redis://{address['host']}:{address['port']}", RedisBroker, RedisStorage, prefix="bounds")
    rig = Rig(place, "blocking", SYSTEM_CLOCK, dead_letter_cap=CAP)
    yield rig
    rig.close()


def sizes(server):
    """How many things each key holds, by its name behind the namespace."""
    found = {}
    for key in server.scan_iter(count=1000):
        beginning, _, name = key.decode().partition("}:")
        assert beginning == "qtasks:{bounds.conformance"
        count = {"hash": server.hlen, "list": server.llen, "set": server.scard, "zset": server.zcard}
        found[name] = count.get(server.type(key).decode(), lambda _: 1)(key)
    return found


def left(server):
    """The same but of what never ends."""
    found = sizes(server)
    return {name: found[name] for name in found if name not in FOR_GOOD and not name.startswith(("task:", "stream:"))}


def end(rig, worker, deliveries, **fields):
    """End them in every way, in one batch."""
    statuses = [TaskStatus.SUCCESS, TaskStatus.ERROR, TaskStatus.CANCEL, TaskStatus.EXPIRED, TaskStatus.DEAD]
    outcomes = [
        rig.outcome(delivery, statuses[number % 5], keep_s=KEEP_S, **fields)
        for number, delivery in enumerate(deliveries)
    ]
    assert worker.finish(*outcomes) == []


def test_only_results_within_their_time_are_left_of_many_tasks(rig, server):
    worker = rig.worker()
    for _ in range(TASKS // 1000):
        rig.add_many(1000)
        end(rig, worker, worker.take(1000))
    worker.leave()

    within = sizes(server)
    assert within["ended"] == ENDED
    assert within["dead"] == CAP
    until(lambda: sum(name.startswith("task:") for name in sizes(server)) == CAP, 10, "all but dead letters are gone")
    assert left(server) == {}


def test_who_waits_for_a_task_is_forgotten_when_many_others_do(rig, server):
    task_id = rig.add()
    for number in range(1000):
        rig.face.call(rig.storage.component._run("watch", task_id, f"a-channel-that-nobody-hears-{number}"))
    [waiters] = server.hvals(next(server.scan_iter("*:waiters")))
    assert len(waiters) <= 8192
    assert waiters.endswith(b"-999")


def test_nothing_is_left_of_what_only_some_tasks_have(rig, server):
    worker = rig.worker()
    ids = []
    for number in range(20):
        plain = {"queue": f"q{number % 3}"}
        ids += [
            rig.add(**plain, unique=f"u{number}", expires_in_s=3600),
            rig.add(**plain, due_in_s=0.001),
            rig.add(**plain, expires_in_s=0.001),
            rig.add(**plain, unique=f"v{number}", priority=number),
        ]
        rig.storage.wait(ids[-1], 0)
    rig.broker.cancel(rig.add(unique="w", due_in_s=3600), "no")
    for task_id in ids[:8]:
        rig.storage.wait(task_id, 0)  # has itself told, and does not wait
    queues = ["default", "q0", "q1", "q2"]
    for number in range(60):
        deliveries = worker.take(7, queues)
        for delivery in deliveries:
            worker.stream(delivery, b"1", b"2")
        if number % 3 == 0:
            worker.die()
            worker = rig.worker()
        elif number % 3 == 1:
            for delivery in deliveries:
                worker.retry(delivery, due=SYSTEM_CLOCK.wall_us() + 1000)
        else:
            end(rig, worker, deliveries)
    while deliveries := worker.take(100, queues, wait_s=0.05):
        end(rig, worker, deliveries)
    rig.broker.beat([worker.owner])
    worker.leave()
    assert left(server) == {}

    def alone():
        """Streams whose tasks are gone."""
        names = set(sizes(server))
        return {name for name in names if name.startswith("stream:") and f"task:{name[7:]}" not in names}

    until(lambda: not alone(), 10, "streams end with their results")
    streams = [key for key in server.scan_iter(count=1000) if b":stream:" in key]
    assert all(server.pttl(key) > 0 for key in streams)  # those of dead letters
