"""Single tasks that are awaited at the same time are published together, and each caller has its own answer."""

import asyncio
import threading

import pytest
from kernel.support import PATIENCE_S, Gate, TroubledBroker, new_store, plugin_with
from qtasks.app import gathering
from qtasks.asyncio import QueueTasks
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.errors import BackendUnavailableError, PublishError


class CountingBroker(TroubledBroker):
    """Notes how many messages come at a time, and refuses those of a task by name."""

    def __init__(self, *args):
        super().__init__(*args)
        self.sizes = []

    async def publish(self, envelopes):
        self.sizes.append(len(envelopes))
        refused = [envelope.message.id for envelope in envelopes if envelope.message.task == "refused"]
        if refused:
            raise PublishError("not this one", refused)
        return await super().publish(envelopes)


@pytest.fixture
def app():
    store = new_store()
    return QueueTasks(
        "kernel",
        broker=CountingBroker(store),
        storage=MemoryStorage(store, "test"),
        global_config=MemoryGlobalConfig(store, "test"),
    )


async def burst(app, *names):
    """Add tasks at the same time; returns their handles or errors."""
    return await asyncio.gather(*(app.add_task(name) for name in names), return_exceptions=True)


async def known(app):
    return {record.id for record in await app.storage.find(limit=1000)}


def test_calls_of_one_tick_go_out_together_and_each_gets_its_own_task(app):
    async def main():
        first = await burst(app, *"abcde")
        assert app.broker.sizes == [1, 4]  # nothing tells the first that others follow
        second = await burst(app, *"fghij")
        assert app.broker.sizes == [1, 4, 5]
        assert [task.task_name for task in first + second] == list("abcdefghij")
        assert {task.id for task in first + second} == await known(app)

    asyncio.run(main())


def test_a_lone_call_waits_for_no_tick_of_the_loop(app):
    async def lone():
        ticks = []
        asyncio.get_running_loop().call_soon(ticks.append, 1)
        await app.add_task("t")
        return list(ticks)

    async def main():
        return [await asyncio.create_task(lone()) for _ in range(3)]

    assert asyncio.run(main()) == [[], [], []]


def test_calls_one_after_the_other_wait_for_no_tick_of_the_loop(app):
    async def main():
        ticks = []
        asyncio.get_running_loop().call_soon(ticks.append, 1)
        for _ in range(3):
            await app.add_task("t")
        return list(ticks)

    assert asyncio.run(main()) == []


def test_a_batch_has_a_limit(app, monkeypatch):
    monkeypatch.setattr(gathering, "BATCH", 3)

    async def main():
        await burst(app, *"ab")
        await burst(app, *"abcdefgh")
        assert app.broker.sizes[2:] == [3, 3, 2]

    asyncio.run(main())


def test_a_message_that_is_refused_fails_its_caller_only(app):
    async def main():
        await burst(app, *"ab")
        good, bad, fine, worse = await burst(app, "good", "refused", "fine", "refused")
        assert isinstance(bad, PublishError)
        assert isinstance(worse, PublishError)
        assert {good.id, fine.id} <= await known(app)
        assert len(await known(app)) == 4

    asyncio.run(main())


def test_a_broker_that_does_not_answer_fails_every_caller_of_the_batch(app):
    async def main():
        await burst(app, *"ab")
        app.broker.trouble.refuse("publish")
        assert [type(error) for error in await burst(app, *"cde")] == [BackendUnavailableError] * 3
        assert [task.task_name for task in await burst(app, *"fg")] == ["f", "g"]

    asyncio.run(main())


def test_a_publishing_that_is_cut_off_leaves_nobody_waiting(app):
    async def main():
        await burst(app, *"ab")
        app.broker.trouble.refuse("publish", error=asyncio.CancelledError)
        assert [type(error) for error in await burst(app, *"cde")] == [asyncio.CancelledError] * 3

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


@pytest.mark.parametrize("who", [0, 1])
def test_a_caller_that_is_cancelled_while_its_batch_is_under_way_costs_the_others_nothing(app, who):
    async def main():
        await burst(app, *"ab")
        gate = app.broker.trouble.gates["publish"] = Gate()
        tasks = [asyncio.create_task(app.add_task(name)) for name in "cde"]
        await asyncio.to_thread(gate.wait_reached)
        tasks[who].cancel()
        gate.open()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(who), asyncio.CancelledError)
        assert {answer.id for answer in answers} <= await known(app)

    asyncio.run(main())


@pytest.mark.parametrize("who", [0, 1])
def test_a_caller_that_is_cancelled_before_its_batch_goes_out_adds_nothing(app, who):
    async def main():
        await burst(app, *"ab")
        tasks = [asyncio.create_task(app.add_task(name)) for name in "cde"]
        asyncio.get_running_loop().call_soon(tasks[who].cancel)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(who), asyncio.CancelledError)
        assert app.broker.sizes[2:] == [2]
        assert len(await known(app)) == 4

    asyncio.run(main())


def test_hooks_are_told_of_each_task(app):
    told = []
    app.add_plugin(plugin_with("broker_add_after", lambda model: told.append(model.task)))

    async def main():
        await burst(app, *"abc")
        await burst(app, *"def")

    asyncio.run(main())
    assert sorted(told) == list("abcdef")


def test_each_event_loop_gathers_for_itself(app):
    found = []

    async def main(names):
        for _ in range(50):
            found.extend(await burst(app, *names))

    threads = [threading.Thread(target=asyncio.run, args=(main(names),)) for names in ("abc", "def")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({task.id for task in found} & asyncio.run(known(app))) == 300


def test_a_loop_that_ended_while_its_calls_gathered_holds_up_no_other(app):
    loop = asyncio.new_event_loop()
    first, left = [loop.create_task(app.add_task(name)) for name in "ab"]
    loop.stop()
    loop.run_forever()  # one tick
    loop.close()
    assert (first.done(), left.done()) == (True, False)
    assert [task.task_name for task in asyncio.run(burst(app, *"cd"))] == ["c", "d"]
    left._log_destroy_pending = False
