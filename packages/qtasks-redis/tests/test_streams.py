"""Readers of streams are pushed the news; how often they ask the server."""

from contextlib import closing

import pytest
import redis
from qtasks_redis.broker import RedisBroker
from qtasks_redis.storage import RedisStorage
from qtasks_testkit.faults import until
from qtasks_testkit.rig import FrozenClock, Rig, UrlPlace

pytestmark = pytest.mark.needs("redis")


def test_a_reader_asks_once_before_a_value_comes_and_once_for_it(redis_server, monkeypatch):
    place = UrlPlace(redis_server.url, RedisBroker, RedisStorage)
    with closing(Rig(place, "async", FrozenClock())) as rig, redis.Redis.from_url(redis_server.url) as server:
        task_id = rig.add(reply_to=None)
        worker = rig.worker()
        [delivery] = worker.take()
        asked, run = [], rig.storage.component._run

        async def noted(name, *args):
            asked.append(name)
            return await run(name, *args)

        monkeypatch.setattr(rig.storage.component, "_run", noted)
        read = rig.storage.start("read_stream", task_id, 0, 0, 20)
        until(lambda: rig.broker.inspect() and server.hexists(rig.broker.component._key("waiters"), task_id))
        worker.stream(delivery, b"1")
        assert read().values == [b"1"]
        assert asked == ["stream", "stream"]
