"""A single message for an idle owner is pushed into its hands; whatever becomes of the push, it is run once."""

import asyncio

import pytest
from qtasks.codec import encode_message
from qtasks.errors import BackendUnavailableError, LeaseLostError
from qtasks.message import WIRE_VERSION, Outcome, TaskMessage, new_id
from qtasks.ports import BackendContext
from qtasks.types import TaskStatus
from qtasks_redis.broker import STEP, RedisBroker


class Bench:
    """One broker that takes, another that publishes, and a look behind them."""

    def __init__(self, url):
        self.namespace = new_id()
        self.taker, self.producer = (RedisBroker.from_url(url, self.context()) for _ in range(2))
        other = BackendContext(namespace=self.namespace, stream_cap=1)  # so it shares no connection with them
        self.somebody = RedisBroker.from_url(url, other)
        self.owner = new_id()
        self.calls = []
        run = self.taker._run_many

        async def counted(name, *args, **kw):
            self.calls.append(name)
            return await run(name, *args, **kw)

        self.taker._run_many = counted

    def context(self):
        return BackendContext(namespace=self.namespace)

    def envelope(self, queue="default"):
        return encode_message(TaskMessage(WIRE_VERSION, new_id(), self.namespace, queue, "t"))

    async def publish(self, queue="default"):
        [task] = await self.producer.publish([self.envelope(queue)])
        return task

    async def command(self, *words):
        return await self.producer._transport.command(*words)

    def key(self, name):
        return self.producer._key(name)

    async def deafen(self):
        """Let what is pushed to the owner be heard by somebody else."""
        await self.somebody._transport.subscribe()
        await self.command("HSET", self.key("owners"), self.owner, f"60000000 {self.somebody._transport.channel} w")

    async def idle(self, queues=("default",), wait_s=20.0):
        """Begin to take, and come back when the owner is said to wait."""
        taking = asyncio.create_task(self.taker.take(self.owner, list(queues), 10, wait_s))
        async with asyncio.timeout(5):
            while await self.command("ZCARD", self.key(f"idle:{queues[-1]}")) == 0:  # noqa: ASYNC110 - in a server
                await asyncio.sleep(0.005)
        return taking


@pytest.fixture
def on_bench(redis_server):
    def on_bench(scenario):
        async def run():
            bench = Bench(redis_server.url)
            await bench.taker.join(bench.owner, "w", 60)
            try:
                async with asyncio.timeout(20):
                    await scenario(bench)
            finally:
                await bench.taker.close()
                await bench.producer.close()
                await bench.somebody.close()

        asyncio.run(run())

    return on_bench


def test_what_is_published_for_an_idle_owner_comes_without_another_call(on_bench):
    async def scenario(bench):
        taking = await bench.idle()
        task = await bench.publish()
        [delivery] = await taking
        assert delivery.id == task
        assert bench.calls.count("take") == 1
        assert await bench.taker.finish(bench.owner, [Outcome(delivery, TaskStatus.SUCCESS, keep_s=60)]) == []
        assert await bench.taker.take(bench.owner, ["default"], 10, 0) == []

    on_bench(scenario)


def test_a_push_that_is_lost_is_made_good_by_the_next_look(on_bench):
    async def scenario(bench):
        taking = await bench.idle()
        await bench.deafen()
        task = await bench.publish()
        [delivery] = await taking  # it looks again within 2 s
        assert delivery.id == task
        assert await bench.taker.finish(bench.owner, [Outcome(delivery, TaskStatus.SUCCESS, keep_s=60)]) == []
        assert await bench.command("EXISTS", bench.key(f"pushed:{bench.owner}")) == 0

    on_bench(scenario)


def test_a_push_that_is_lost_is_made_good_while_many_others_expire(on_bench):
    async def scenario(bench):
        taking = await bench.idle()
        await bench.deafen()
        task = await bench.publish()
        key = bench.key("expiring")
        await bench.command("ZADD", key, *(part for number in range(STEP) for part in (1, f"gone-{number}")))
        [delivery] = await taking
        assert delivery.id == task
        assert await bench.command("ZCARD", key) == 0

    on_bench(scenario)


def test_a_wish_to_cancel_reaches_whoever_listens_for_the_owner(on_bench):
    async def scenario(bench):
        await bench.publish()
        [delivery] = await bench.taker.take(bench.owner, ["default"], 10, 0)
        looked, run = asyncio.Event(), bench.somebody._run

        async def noted(name, *args):
            answer = await run(name, *args)
            looked.set()
            return answer

        bench.somebody._run = noted
        listening = asyncio.create_task(bench.somebody.cancel_requests(bench.owner, (), 15.0))
        await looked.wait()
        await bench.producer.cancel(delivery.id, "no")
        async with asyncio.timeout(5):
            assert await listening == {delivery.id: "no"}

    on_bench(scenario)


def test_nothing_is_kept_of_an_owner_that_has_lost_its_lease(on_bench):
    async def scenario(bench):
        assert await bench.taker.take(bench.owner, ["default"], 10, 0) == []
        await bench.command("DEL", bench.key("leases"))
        with pytest.raises(LeaseLostError):
            await bench.taker.take(bench.owner, ["default"], 10, 0)
        assert bench.taker._takers == {}

    on_bench(scenario)


def test_an_owner_without_queues_waits(on_bench):
    async def scenario(bench):
        assert await bench.taker.take(bench.owner, [], 10, 0.1) == []

    on_bench(scenario)


def test_a_push_that_comes_late_is_not_run_a_second_time(on_bench):
    async def scenario(bench):
        channel = bench.taker._transport.channel
        await bench.deafen()
        taking = await bench.idle()
        envelope = bench.envelope()
        await bench.producer.publish([envelope])
        token = (await bench.command("HGET", bench.key("running"), envelope.message.id))[32:]
        record = await bench.command("GET", bench.key(f"task:{envelope.message.id}"))
        [delivery] = await taking
        again = await bench.idle(wait_s=1.0)
        await bench.command("PUBLISH", channel, b"take " + bench.owner.encode() + b"\n" + token + record)
        assert await again == []
        assert await bench.taker.finish(bench.owner, [Outcome(delivery, TaskStatus.SUCCESS, keep_s=60)]) == []

    on_bench(scenario)


def test_an_owner_is_pushed_one_message_whatever_queues_it_waits_for(on_bench):
    async def scenario(bench):
        taking = await bench.idle(["a", "b"])
        first, second = await bench.publish("a"), await bench.publish("b")
        assert [delivery.id for delivery in await taking] == [first]
        assert await bench.command("ZCARD", bench.key("ready:b")) == 1  # for whoever looks first
        assert [one.id for one in await bench.taker.take(bench.owner, ["a", "b"], 10, 0)] == [second]

    on_bench(scenario)


def test_what_was_pushed_and_is_not_in_hand_goes_back(on_bench):
    async def scenario(bench):
        taking = await bench.idle()
        await bench.deafen()
        task = await bench.publish()
        taking.cancel()
        await asyncio.wait([taking])
        assert await bench.taker.take(bench.owner, ["default"], 0, 0, []) == []
        other = new_id()
        await bench.producer.join(other, "other", 60)
        assert [one.id for one in await bench.producer.take(other, ["default"], 10, 0)] == [task]

    on_bench(scenario)


def test_a_message_for_an_owner_that_has_died_waits_for_the_next_one(on_bench):
    async def scenario(bench):
        taking = await bench.idle()
        await bench.command("HSET", bench.key("owners"), bench.owner, "60000000 nobody-listens w")
        task = await bench.publish()
        assert await bench.command("ZCARD", bench.key("ready:default")) == 1
        other = new_id()
        await bench.producer.join(other, "other", 60)
        assert [one.id for one in await bench.producer.take(other, ["default"], 10, 0)] == [task]
        taking.cancel()
        await asyncio.wait([taking])

    on_bench(scenario)


def test_a_registration_whose_reply_was_lost_is_taken_back_by_the_next_call(on_bench):
    async def scenario(bench):
        run = bench.taker._run_many

        async def lose_the_reply(name, *args, **kw):
            await run(name, *args, **kw)
            raise BackendUnavailableError("the reply was lost")

        bench.taker._run_many = lose_the_reply
        with pytest.raises(BackendUnavailableError):
            await bench.taker.take(bench.owner, ["default"], 10, 20.0)
        bench.taker._run_many = run
        task = await bench.publish()  # pushed to an owner that does not listen
        [delivery] = await bench.taker.take(bench.owner, ["default"], 10, 0, [])
        assert delivery.id == task
        assert await bench.command("EXISTS", bench.key(f"pushed:{bench.owner}"), bench.key("waits")) == 0

    on_bench(scenario)


@pytest.mark.parametrize("why", ["paused", "behind others"])
def test_a_message_that_has_to_wait_is_not_pushed(on_bench, why):
    async def scenario(bench):
        taking = await bench.idle()
        if why == "paused":
            await bench.producer.set_paused("default", True)
        else:
            await bench.command("ZADD", bench.key("ready:default"), 0, "0" * 22 + new_id())
        await bench.publish()
        assert await bench.command("HLEN", bench.key("running")) == 0 or why == "behind others"
        taking.cancel()
        await asyncio.wait([taking])

    on_bench(scenario)
