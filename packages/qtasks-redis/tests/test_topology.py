import shutil
import subprocess
import time
from contextlib import ExitStack

import pytest
from qtasks import errors
from qtasks.message import new_id
from qtasks_redis.script import Script
from qtasks_testkit.faults import FaultProxy
from qtasks_testkit.servers import RedisServer
from qtasks_testkit.servers.server import free_port

pytestmark = pytest.mark.needs("redis")

COUNT = Script("count", "#!lua\nreturn redis.call('INCR', KEYS[1])")
KEY = "qtasks:{test}:count"


class Sentinel(RedisServer):
    """One that watches a master alone."""

    def __init__(self, directory, master, password=""):
        super().__init__(directory)
        self._file = directory / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor main 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds main 250",
            "sentinel failover-timeout main 2000",
        ]
        if password:
            lines += [f"requirepass {password}"]
            self._password = password
        self._file.write_text("\n".join(lines))

    @property
    def command(self):
        return [self._binary, str(self._file), "--sentinel"]


@pytest.fixture
def sentinel_of(tmp_path_factory):
    with ExitStack() as running:

        def start(master, **options):
            return running.enter_context(
                Sentinel.or_skip(tmp_path_factory.mktemp("sentinel"), master=master, **options)
            )

        yield start


def ask(server, *words):
    """What a server says to its command line client."""
    if shutil.which("redis-cli") is None:
        pytest.skip("there is no redis-cli")
    command = ["redis-cli", "-p", str(server.port), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()


def until(condition, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three masters, for all tests: such a cluster takes two seconds until it lets anybody write."""
    nodes, buses = [], [free_port() for _ in range(3)]
    with ExitStack() as running:
        for number, bus in enumerate(buses):
            options = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-require-full-coverage", "no"]
            node = RedisServer.or_skip(tmp_path_factory.mktemp("node"), settings=options)
            nodes.append(running.enter_context(node))
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            first, last = 16_384 * number // 3, 16_384 * (number + 1) // 3 - 1
            ask(node, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            ask(nodes[0], "CLUSTER", "MEET", "127.0.0.1", str(node.port), str(bus))
        until(lambda: all("cluster_state:ok" in ask(node, "CLUSTER", "INFO") for node in nodes))
        yield nodes


@pytest.fixture
def key():
    """A key of the test's own, on any node of the cluster."""
    return f"qtasks:{{{new_id()}}}:count"


@pytest.fixture
def replicated(new_redis_server):
    """A master and its replica."""
    master = new_redis_server(settings=["--repl-diskless-sync-delay", "0"])
    replica = new_redis_server(settings=["--replicaof", "127.0.0.1", str(master.port)])
    until(lambda: "master_link_status:up" in ask(replica, "INFO", "replication"))
    return master, replica


@pytest.fixture
def after_a_pause(monkeypatch):
    """As if every call came when the connection was not used for a while."""
    monkeypatch.setattr("qtasks_redis.transport.HEALTH_CHECK_S", 0)


def url_of(nodes):
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def test_a_cluster_is_served_by_the_node_of_the_slot_whichever_is_named(face, cluster, key):
    async def scenario(transport):
        return await transport.run(COUNT, [key], []), await transport.run_many(COUNT, [key], [[]] * 3)

    counts = [face.run(url_of([node]), scenario) for node in cluster]
    assert counts == [(1, [2, 3, 4]), (5, [6, 7, 8]), (9, [10, 11, 12])]


def test_messages_are_pushed_across_a_cluster(face, cluster, key):
    publish = Script("publish", "#!lua\nreturn redis.call('PUBLISH', ARGV[1], ARGV[2])")

    async def scenario(transport):
        await transport.subscribe()
        with transport.listen(b"topic") as listener:
            body = None
            while body is None:  # which says that something may have been missed: so it is told again
                await transport.run(publish, [key], [transport.channel, "topic\nbody"])
                body = await listener.get(2)
            return body

    assert [face.run(url_of([node]), scenario) for node in cluster] == [b"body"] * 3


def test_a_slot_that_moves_is_followed(face, cluster, key):
    slot = ask(cluster[0], "CLUSTER", "KEYSLOT", key)
    ids = {node: ask(node, "CLUSTER", "MYID") for node in cluster}

    async def scenario(transport):
        counts = [await transport.run(COUNT, [key], [])]
        source = next(node for node in cluster if ask(node, "GET", key) == "1")
        target = next(node for node in cluster if node is not source)
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        counts.append(await transport.run(COUNT, [key], []))  # still at the source
        ask(source, "MIGRATE", "127.0.0.1", str(target.port), key, "0", "1000")
        counts.append(await transport.run(COUNT, [key], []))  # ASK
        for node in (target, source):
            ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        counts.append(await transport.run(COUNT, [key], []))  # MOVED
        assert ask(target, "GET", key) == "4"
        return counts

    assert face.run(url_of(cluster[:1]), scenario) == [1, 2, 3, 4]


def test_a_node_that_does_not_tell_hosts_means_the_one_that_was_asked(face, cluster, key):
    async def scenario(transport):
        return await transport.run(COUNT, [key], [])

    for node in cluster:
        ask(node, "CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint")
    try:
        urls = [f"redis+cluster://127.0.0.2:1,127.0.0.1:{node.port}" for node in cluster]  # nobody is at the first
        assert [face.run(url, scenario) for url in urls] == [1, 2, 3]
    finally:
        for node in cluster:
            ask(node, "CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")


def test_a_node_of_a_cluster_that_says_nothing_is_passed_over(face, cluster, key, monkeypatch):
    monkeypatch.setattr("qtasks_redis.topology.CONNECT_TIMEOUT_S", 0.5)

    async def scenario(transport):
        return await transport.run(COUNT, [key], [])

    face.run(url_of(cluster), scenario)
    holder = next(node for node in cluster if ask(node, "GET", key) == "1")
    silent = next(node for node in cluster if node is not holder)
    silent.freeze()
    try:
        assert face.run(url_of([silent, holder]), scenario) == 2
    finally:
        silent.thaw()


@pytest.mark.parametrize("named", range(3))
def test_workers_and_producers_use_a_cluster_whichever_node_is_named(cluster, everything_works, named):
    everything_works(url_of([cluster[named]]))


def test_sentinels_name_the_master_and_the_next_one_after_its_death(face, replicated, sentinel_of, after_a_pause):
    master, replica = replicated
    sentinel = sentinel_of(master)
    until(lambda: "slaves=1" in ask(sentinel, "INFO", "sentinel"))
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main"

    async def scenario(transport):
        assert await transport.run(COUNT, [KEY], []) == 1
        until(lambda: ask(replica, "GET", KEY) == "1")
        master.kill()
        return await transport.run(COUNT, [KEY], [], timeout_s=20)

    assert face.run(url, scenario) == 2
    assert ask(replica, "GET", KEY) == "2"


def test_a_replica_that_was_the_master_is_left(aio_face, replicated, sentinel_of, after_a_pause):
    master, replica = replicated
    sentinel = sentinel_of(master)
    until(lambda: "slaves=1" in ask(sentinel, "INFO", "sentinel"))

    async def scenario(transport):
        await transport.run(COUNT, [KEY], [])
        until(lambda: ask(replica, "GET", KEY) == "1")
        until(lambda: ask(sentinel, "SENTINEL", "FAILOVER", "main") == "OK")
        until(lambda: "role:master" in ask(replica, "INFO", "replication"))
        ask(master, "REPLICAOF", "127.0.0.1", str(replica.port))  # as the sentinel would after ten seconds
        return await transport.run(COUNT, [KEY], [])

    assert aio_face.run(f"redis+sentinel://127.0.0.1:{sentinel.port}/main", scenario) == 2


def test_workers_go_on_with_the_next_master(replicated, sentinel_of, open_fleet):
    master, replica = replicated
    sentinel = sentinel_of(master)
    until(lambda: "slaves=1" in ask(sentinel, "INFO", "sentinel"))
    with open_fleet(f"redis+sentinel://127.0.0.1:{sentinel.port}/main") as fleet:
        fleet.run("-p", "2")
        fleet.all_done(*fleet.add("nap", *((number, 0.0) for number in range(50))))
        workers = set(fleet.children)
        until(lambda: ask(master, "WAIT", "1", "100") == "1")
        master.kill()
        until(lambda: "role:master" in ask(replica, "INFO", "replication"))
        fleet.all_done(*fleet.add("nap", *((number, 0.0) for number in range(50, 100))))
        assert set(fleet.children) == workers


def test_sentinels_may_ask_for_the_password(face, new_redis_server, sentinel_of):
    master = new_redis_server(requirepass="word")
    sentinel = sentinel_of(master, password="word")

    async def scenario(transport):
        return await transport.run(COUNT, [KEY], [])

    assert face.run(f"redis+sentinel://:word@127.0.0.1:{sentinel.port}/main", scenario) == 1


def test_many_nodes_that_say_nothing_cost_no_more_than_the_deadline(face, redis_server):
    with FaultProxy(redis_server.url) as proxy:
        proxy.freeze()

        async def scenario(transport):
            with pytest.raises(errors.BackendUnavailableError):
                await transport.open()

        nodes = ",".join(f"{host}:{proxy.port}" for host in ["127.0.0.1", "localhost"] * 4)
        begun = time.monotonic()
        face.run(f"redis+cluster://{nodes}", scenario, call_timeout_s=0.5)
        assert time.monotonic() - begun < 2


def test_a_service_that_no_sentinel_knows_is_told_at_once(face, new_redis_server, sentinel_of):
    sentinel = sentinel_of(new_redis_server())

    async def scenario(transport):
        with pytest.raises(errors.BackendError, match="no such service"):
            await transport.open()

    begun = time.monotonic()
    face.run(f"redis+sentinel://127.0.0.1:{sentinel.port}/other", scenario)
    assert time.monotonic() - begun < 2


def test_a_replica_that_is_named_directly_is_read_only(face, replicated):
    async def scenario(transport):
        with pytest.raises(errors.BackendReadOnlyError):
            await transport.run(COUNT, [KEY], [])

    face.run(replicated[1].url, scenario)
