"""Broker and storage on two servers: what becomes of the records when publishing fails, or a worker between the two."""

import pytest
from attrs import evolve
from kernel.support import PATIENCE_S, TroubledBroker, broker_of, queue_of, wait_until
from msgspec.structs import replace
from qtasks import QueueTasks, hookimpl
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import Store
from qtasks.errors import BackendUnavailableError, MalformedMessageError, PublishError
from qtasks.message import Outcome, new_id
from qtasks.ports import BackendContext
from qtasks.testing import running
from qtasks.types import SYSTEM_CLOCK, US_PER_S, TaskStatus


class HalfFullBroker(TroubledBroker):
    """Accepts the first message of a batch and refuses the others by name."""

    async def publish(self, envelopes):
        await super().publish(envelopes[:1])
        raise PublishError("no room for more", [envelope.message.id for envelope in envelopes[1:]])


class SlowStorage(MemoryStorage):
    """Does not answer the first questions for records."""

    silent = 0

    async def get_many(self, ids):
        if self.silent:
            self.silent -= 1
            raise BackendUnavailableError("made up by the test")
        return await super().get_many(ids)


class StoppedClock:
    """An hour ago, for ever: a broker with this clock lets nothing expire."""

    def __init__(self):
        self._wall_us, self._monotonic_us = SYSTEM_CLOCK.wall_us() - 3600 * US_PER_S, SYSTEM_CLOCK.monotonic_us()

    def wall_us(self):
        return self._wall_us

    def monotonic_us(self):
        return self._monotonic_us


class NeverEndingBroker(TroubledBroker):
    """Ends nothing by itself: it hands over what has expired, and what three workers died with."""

    crashes = 0

    async def take(self, *args):
        return [replace(delivery, crashes=self.crashes) for delivery in await super().take(*args)]


def split_app(broker_type, clock=SYSTEM_CLOCK):
    context = BackendContext(namespace="split")
    storage = SlowStorage(Store(context), "records")
    app = QueueTasks(
        "split",
        broker=broker_type(Store(evolve(context, clock=clock))),
        storage=storage,
        global_config=MemoryGlobalConfig(storage.store, "settings"),
    )
    return app, app.task("t")(print)


def names(app):
    """The first arguments of the tasks of which there is a record."""
    records = app.runtime.run_blocking(lambda link: link.storage.find())
    return sorted(app.get(record.id).args[0] for record in records)


def test_records_of_messages_that_were_certainly_refused_are_removed():
    app, task = split_app(HalfFullBroker)
    with pytest.raises(PublishError, match="no room for more"):
        app.add_tasks([task(name) for name in ("a", "b", "c")])
    assert names(app) == ["a"]


def test_records_stay_when_it_is_not_known_what_was_published():
    app, task = split_app(TroubledBroker)
    app.broker.trouble.lose_reply("publish")
    with pytest.raises(BackendUnavailableError):
        app.add_tasks([task(name) for name in ("a", "b")])
    assert names(app) == ["a", "b"]


def lose(app, **outcome):
    """A worker takes a task and dies; an outcome is in the storage by then, and the broker never heard of it."""
    owner, broker = new_id(), broker_of(app)
    broker.join(owner, "lost", 15)
    (delivery,) = broker.take(owner, ["default"], 1, 0)
    if outcome:
        app.runtime.run_blocking(lambda link: link.storage.finish([Outcome(delivery, worker="lost", **outcome)]))
    broker.release(owner, death="killed")


@pytest.mark.parametrize("silent", [0, 2])
def test_a_recovered_task_that_has_its_outcome_is_only_acknowledged(silent):
    app, _ = split_app(TroubledBroker)
    runs = []
    added = app.task("recovered")(lambda: runs.append(1)).add_task()
    lose(app, status=TaskStatus.SUCCESS, result=b'"of the first"', keep_s=60)
    app.storage.silent = silent
    with running(app):
        wait_until(lambda: queue_of(app).ready == queue_of(app).running == 0, "it is acknowledged")
    assert runs == []
    assert app.storage.silent == 0
    assert app.get(added.id).result() == "of the first"


def test_a_recovered_task_without_an_outcome_runs():
    app, _ = split_app(TroubledBroker)
    added = app.task("recovered")(lambda: "of the second").add_task()
    lose(app)
    with running(app):
        assert added.wait_result(PATIENCE_S).result() == "of the second"


def test_a_task_that_three_workers_died_with_is_ended_by_the_fourth():
    app, _ = split_app(NeverEndingBroker)
    runs = []
    added = app.task("deadly")(lambda: runs.append(1)).add_task()
    app.broker.crashes = 3
    with running(app):
        ended = added.wait_result(PATIENCE_S)
    assert (ended.status, ended.error) == (TaskStatus.DEAD, "WorkerDied: 3 workers died with it")
    assert runs == []


def test_a_task_that_expired_while_the_broker_kept_it_does_not_run():
    app, _ = split_app(NeverEndingBroker, StoppedClock())
    runs = []
    added = app.task("late")(lambda: runs.append(1)).options(expires=0.001)().add_task()
    wait_until(lambda: SYSTEM_CLOCK.wall_us() > added.message.expires, "its time is over")
    with running(app):
        assert added.wait_result(PATIENCE_S).status is TaskStatus.EXPIRED
    assert runs == []


@pytest.mark.parametrize("crashes", [0, 3])
def test_nothing_of_a_message_is_used_before_the_plugins_have_read_it(crashes):
    class Refusing:
        @hookimpl
        def broker_read_message(self):
            raise MalformedMessageError("not from us")

    app, _ = split_app(NeverEndingBroker, StoppedClock())
    app.broker.crashes = crashes
    app.add_plugin(Refusing())
    added = app.task("late")(print).options(expires=0.001)().add_task()
    with running(app):
        ended = added.wait_result(PATIENCE_S)
    assert (ended.status, ended.error) == (TaskStatus.DEAD, "malformed: not from us")
