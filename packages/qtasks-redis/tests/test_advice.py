"""What `doctor` and the banner say of a Redis server."""

import asyncio

import pytest
import redis
from qtasks.ports import BackendContext
from qtasks_redis.advice import advise
from qtasks_redis.broker import RedisBroker


def ask(url):
    async def ask():
        broker = RedisBroker.from_url(url, BackendContext())
        await broker.open()
        try:
            return await broker.advise()
        finally:
            await broker.close()

    return asyncio.run(ask())


def test_a_server_that_keeps_what_it_accepts_is_well(new_redis_server):
    [advice] = ask(new_redis_server(appendonly=True).url)
    assert (advice.state, advice.mend) == ("ok", "")
    assert "appendonly on, maxmemory-policy noeviction" in advice.found


def test_a_server_that_may_lose_tasks_is_told_so_with_the_mend(new_redis_server):
    server = new_redis_server(maxmemory="100mb", settings=["--maxmemory-policy", "allkeys-lru"])
    _, lost, evicted = ask(server.url)
    assert {lost.state, evicted.state} == {"warning"}
    assert lost.mend.endswith("CONFIG SET appendonly yes")
    assert "tasks and results are dropped" in evicted.found
    assert evicted.mend.endswith("CONFIG SET maxmemory-policy noeviction")


def test_a_policy_without_a_limit_drops_nothing(new_redis_server):
    server = new_redis_server(appendonly=True, settings=["--maxmemory-policy", "allkeys-lru"])
    assert [advice.state for advice in ask(server.url)] == ["ok"]


@pytest.mark.parametrize("key", ["leases", "owners", "waits", "numbers", "ready:mail"])
def test_a_key_that_something_else_has_written_is_a_problem_with_its_name(new_redis_server, key):
    server = new_redis_server(appendonly=True)
    with redis.Redis.from_url(server.url) as client:
        client.hset("qtasks:{QueueTasks}:queues", "mail", 1)
        client.set(f"qtasks:{{QueueTasks}}:{key}", "junk")
    _, foreign = ask(server.url)
    assert (foreign.state, foreign.mend.endswith(f"DEL 'qtasks:{{QueueTasks}}:{key}'")) == ("problem", True)
    assert f"the key qtasks:{{QueueTasks}}:{key} " in foreign.found


@pytest.mark.parametrize(
    ("field", "value"), [("aof_last_write_status", "err"), ("rdb_last_bgsave_status", "err"), ("role", "slave")]
)
def test_a_server_that_takes_no_writes_is_a_problem(field, value):
    assert [advice.state for advice in advise({"aof_enabled": "1", field: value})] == ["ok", "problem"]
