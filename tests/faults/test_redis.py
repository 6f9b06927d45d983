"""Workers on Redis: what kills and freezes them, servers and networks that fail, and what may lie in the keys."""

import pytest
import redis
from qtasks_testkit.faults.deaths import WorkerDeaths
from qtasks_testkit.faults.malformed import MalformedMessages
from qtasks_testkit.faults.outages import Outages

pytestmark = pytest.mark.needs("redis")

JUNK = [b"", b"\x00", b"\xff" * 54, b"{}", b"x" * 10_000, b"80000000" + b"0" * 46]


class OnRedis:
    @pytest.fixture
    def fleet_url(self, redis_server):
        return redis_server.url


class TestDeathsOnRedis(OnRedis, WorkerDeaths):
    pass


class TestOutagesOfRedis(Outages):
    @pytest.fixture
    def server(self, new_redis_server):
        return new_redis_server(appendonly=True)


class TestMalformedItems(OnRedis, MalformedMessages):
    @pytest.fixture
    def damage(self, redis_server):
        def damage(fleet, ids, chance):
            """Spoil what stands beside the payload: the first line of records, and what only some tasks have."""
            with redis.Redis.from_url(redis_server.url) as server:
                prefix = f"qtasks:{{{fleet.queue.name}}}:"
                for task_id in ids:
                    if chance.random() < 0.5:
                        server.hset(f"{prefix}more", task_id, chance.choice(JUNK))

        return damage
