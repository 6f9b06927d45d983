"""Workers on Redis: what kills and freezes them, servers and networks that fail, and what may lie in the keys."""

import os
import time
from contextlib import contextmanager

import pytest
import redis
from qtasks import TaskStatus
from qtasks.errors import BackendCorruptError, BackendFullError, BackendReadOnlyError
from qtasks_testkit.faults import CrashPoints, MalformedMessages, Outages, WorkerDeaths, until
from qtasks_testkit.servers.server import free_port

pytestmark = pytest.mark.needs("redis")

JUNK = [b"\x00", b"\xff" * 54, b"{}", b"x" * 10_000, b"80000000" + b"0" * 46, b"9" * 400, b"\x81\xa1k\xa1\xff"]

GOOD = 200

IN_HAND = 40
"""Two processes of ten slots, and as many short tasks that were prefetched."""


class OnRedis:
    @pytest.fixture
    def fleet_url(self, redis_server):
        return redis_server.url


@pytest.fixture
def keys_of(redis_server):
    """A connection to the shared server, and how the keys of a fleet begin."""
    with redis.Redis.from_url(redis_server.url) as server:
        yield lambda fleet: (server, f"qtasks:{{{fleet.queue.name}}}:")


class TestDeathsOnRedis(OnRedis, WorkerDeaths):
    pass


class TestCrashPointsOfRedis(OnRedis, CrashPoints):
    worker_points = tuple(
        f"redis.{script}.{place}"
        for script in ("layout", "join", "take", "finish", "beat", "requests", "report", "release")
        for place in ("called", "answered")
    )
    producer_points = tuple(
        f"redis.{script}.{place}" for script in ("layout", "publish") for place in ("called", "answered")
    )


class TestOutagesOfRedis(Outages):
    @pytest.fixture
    def server(self, new_redis_server):
        return new_redis_server(appendonly=True)

    @pytest.fixture
    def client(self, server):
        with redis.Redis.from_url(server.url) as client:
            yield client

    def test_scripts_that_the_server_forgets_in_mid_run_cost_nothing(self, fleet, client, figure):
        workers = self.busy(fleet, 20)
        flushed = 0
        while len(fleet.ledger("end")) < 250:
            client.script_flush()
            flushed += 1
        _, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s)
        assert (flushed > 0, repeated) == (True, 0)
        figure(f"SCRIPT FLUSH {flushed} times in mid-run: 0 lost, 0 repeated")

    @pytest.mark.timeout(120)
    def test_connections_that_the_server_closes_lose_nothing(self, fleet, client, chance, figure):
        workers = self.busy(fleet, chance.randint(20, 150))
        killed = sum(client.client_kill_filter(_type=kind) for kind in ("normal", "pubsub"))
        took, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s)
        assert killed > 0
        assert repeated <= 20
        figure(f"CLIENT KILL of {killed} connections: 0 lost, {repeated} repeated, all done after {took:.1f} s")

    def test_full_server_takes_no_task_and_lets_workers_finish_theirs(self, fleet, client, figure):
        tasks = fleet.add("nap", *((number, 0.02) for number in range(GOOD)))
        client.config_set("maxmemory", "1mb")  # less than it has: whatever needs memory is refused
        before = client.dbsize(), client.zcard(f"qtasks:{{{fleet.queue.name}}}:ready:default")

        @fleet.queue.task
        def nap(number, seconds):
            """For its calls; the one that runs is in the module."""

        for number in (1, 100):
            with pytest.raises(BackendFullError):
                fleet.queue.add_tasks([nap(number, 0.0)] * number)
        assert (client.dbsize(), client.zcard(f"qtasks:{{{fleet.queue.name}}}:ready:default")) == before
        fleet.run("-p", "2")
        fleet.all_done(*tasks)
        client.config_set("maxmemory", "0")
        fleet.all_done(*fleet.add("nap", (GOOD, 0.0)))
        assert {number for number, _ in fleet.ledger("start")} == set(range(GOOD + 1))
        figure(f"memory full: BackendFullError, nothing of it is left; {GOOD} tasks that were there are done")

    @pytest.mark.timeout(120)
    def test_server_that_is_read_only_for_a_while_loses_nothing(self, fleet, client, figure):
        workers = self.busy(fleet, 20)
        client.replicaof("127.0.0.1", str(free_port()))
        with pytest.raises(BackendReadOnlyError):
            fleet.add("nap", (0, 0.0))
        time.sleep(2)  # the length of the outage is the fault
        client.replicaof("NO", "ONE")
        took, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s)
        assert repeated <= 20
        figure(f"read-only for 2 s: 0 lost, {repeated} repeated, all done {took:.1f} s after it")

    @pytest.mark.timeout(180)
    @pytest.mark.parametrize("down_s", [60.0])
    def test_workers_of_a_server_that_is_down_connect_once_a_second_at_most(
        self, fleet, server, proxy, chance, figure, down_s
    ):
        workers = self.busy(fleet, chance.randint(20, 150))
        server.kill()
        before = proxy.accepted
        time.sleep(down_s)  # the length of the outage is the fault
        rate = (proxy.accepted - before) / down_s / (len(workers) + 1)  # their supervisor renews their leases
        server.start()
        took, repeated = self.nothing_lost(fleet, workers, self.resumes_within_s)
        assert rate <= 1
        assert repeated <= IN_HAND  # the leases are over: all of it runs again
        figure(
            f"server down for {down_s:g} s: {rate:.2f} connects a second and process, 0 lost, {repeated} repeated "
            f"(at most {IN_HAND}), all done {took:.1f} s after it was back"
        )


CLOCK = """
import os, time
offset_ns = int(os.environ["CLOCK_OFFSET_S"]) * 10**9
real_ns = time.time_ns
time.time_ns = lambda: real_ns() + offset_ns
time.time = lambda: time.time_ns() / 1e9
"""


class TestClocks(OnRedis):
    open_fleet, fleet = WorkerDeaths.open_fleet, WorkerDeaths.fleet

    @pytest.mark.parametrize("offset_s", [3600, -3600])
    def test_leases_and_results_do_not_depend_on_the_clock_of_the_worker(self, fleet, tmp_path, offset_s):
        (tmp_path / "sitecustomize.py").write_text(CLOCK)
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        settings = {"QTASKS_LEASE": "1", "QTASKS_RESULT_TTL": "60"}
        fleet.run("-p", "2", **settings, PYTHONPATH=path, CLOCK_OFFSET_S=str(offset_s))
        tasks = fleet.add("nap", *((number, 3.0) for number in range(20)))
        fleet.all_done(*tasks)
        assert fleet.repeated == 0
        assert "lost its lease" not in fleet.log
        moved_us = fleet.record(tasks[0].uuid).started - time.time_ns() // 1000
        assert abs(moved_us / 1e6 - offset_s) < 60  # the fault was there


class TestMalformedItems(OnRedis, MalformedMessages):
    @pytest.fixture
    def damage(self, keys_of):
        def damage(fleet, ids, chance):
            """Spoil what stands beside the payload: what only some tasks have, and members of queues."""
            server, prefix = keys_of(fleet)
            for task_id in ids:
                if chance.random() < 0.5:
                    server.hset(f"{prefix}more", task_id, chance.choice(JUNK))
            scores = (0, 1, 1e18, "-inf")
            server.zadd(f"{prefix}ready:default", {chance.randbytes(size): chance.choice(scores) for size in range(99)})
            server.zadd(f"{prefix}delayed:default", {chance.randbytes(54): chance.choice(scores) for _ in range(99)})

        return damage

    def test_spoilt_records_become_dead_letters(self, fleet, keys_of, figure):
        server, prefix = keys_of(fleet)
        ids = [task.uuid.hex for task in fleet.add("nap", *((-1, 0.0) for _ in range(70)))]
        good = fleet.add("nap", *((number, 0.0) for number in range(GOOD)))
        for number, task_id in enumerate(ids):
            key = f"{prefix}task:{task_id}"
            record = server.get(key)
            server.delete(key)
            match number % 7:
                case 0:
                    server.set(key, record[: number + 1])
                case 1:
                    server.set(key, record[:-1])
                case 2:
                    server.set(key, b"\xff" * len(record))
                case 3:
                    server.rpush(key, record)
                case 4:
                    server.hset(key, "record", record)
                case 5:  # as if it had ended
                    server.set(key, record + b"00000010000000ff" + b"-" * 32 + b"\0")
        fleet.run("-p", "2")
        before = set(until(lambda: len(found := fleet.children) == 2 and found))
        fleet.all_done(*good)
        dead = [TaskStatus.DEAD] * len(ids)
        until(lambda: [record.status for record in fleet.records(ids)] == dead, 20, "all are dead letters")
        assert {record.error.type for record in fleet.records(ids)} == {"malformed"}
        assert set(fleet.children) == before
        figure(f"{len(ids)} records cut, missing, of other types: worker alive, all dead letters with a reason")

    @pytest.mark.timeout(120)
    def test_junk_in_every_key_stops_no_worker(self, fleet, keys_of, figure):
        server, prefix = keys_of(fleet)
        fleet.run("-p", "2", QTASKS_LEASE="2")
        owners = until(lambda: len(found := server.hkeys(f"{prefix}owners")) == 2 and found)
        before = set(fleet.children)
        tasks = fleet.add("nap", *((number, 0.01) for number in range(GOOD)))
        for junk in JUNK:
            for name in ("running", "owners", "more", "unique", "waiters", "queues", "finished", "parked"):
                server.hset(f"{prefix}{name}", junk, JUNK[0])
            for name in ("workers", "counts", "values", "config"):
                server.hset(f"{prefix}{name}", junk, JUNK[1])
            for name in ("leases", "expiring", "dead", "idle:default", "delayed:default", "ready:default"):
                server.zadd(f"{prefix}{name}", {junk: "-inf"})
            for owner in owners:
                server.sadd(f"{prefix}held:{owner.decode()}", junk)
                server.rpush(f"{prefix}pushed:{owner.decode()}", junk)
            server.rpush(f"{prefix}ended", junk)
        tasks += fleet.add("nap", *((GOOD + number, 0.01) for number in range(GOOD)))
        server.hset(f"{prefix}owners", owners[0], b"\xff")  # its beats are not confirmed any more
        fleet.all_done(*tasks)
        until(lambda: owners[0] not in server.hkeys(f"{prefix}owners"), 10, "a new incarnation has begun")
        tasks = fleet.add("nap", *((2 * GOOD + number, 0.01) for number in range(GOOD)))
        fleet.all_done(*tasks)
        assert set(fleet.children) == before
        figure(f"junk in 19 keys, {len(JUNK)} kinds: workers alive, {3 * GOOD} good tasks done")

    @pytest.mark.timeout(120)
    def test_key_of_another_type_is_named_and_workers_go_on_when_it_is_mended(self, fleet, keys_of, figure):
        server, prefix = keys_of(fleet)

        @contextmanager
        def spoilt(name):
            key, aside = f"{prefix}{name}", f"aside:{prefix}{name}"
            there = server.exists(key)
            if there:
                server.rename(key, aside)
            server.rpush(key, "junk")
            yield key
            server.delete(key)
            if there:
                server.rename(aside, key)

        fleet.run("-p", "2", QTASKS_LEASE="6")
        owners = until(lambda: len(found := server.hkeys(f"{prefix}owners")) == 2 and found)
        before = set(fleet.children)
        names = ["running", "more", "leases", "owners", "numbers", "finished", "counts", "workers", "expiring"]
        names += [f"held:{owners[0].decode()}", "delayed:default"]
        tasks = []
        for number, name in enumerate(names):
            with spoilt(name) as key:
                told = ""
                try:
                    for task in range(20):
                        tasks += fleet.add("nap", (20 * number + task, 0.01))
                except BackendCorruptError as error:  # the producer may meet it first
                    told = error.hint
                until(lambda key=key, told=told: f"DEL '{key}'" in told + fleet.log, 20, f"{key} is named")
            fleet.all_done(*tasks)
        assert set(fleet.children) == before
        figure(f"{len(names)} keys of another type, one after the other: each named, workers alive, all tasks done")
