"""Adding tasks where broker and storage are two servers: what becomes of the records when publishing fails."""

import pytest
from kernel.support import TroubledBroker
from qtasks import QueueTasks
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import Store
from qtasks.errors import BackendUnavailableError, PublishError
from qtasks.ports import BackendContext


class HalfFullBroker(TroubledBroker):
    """Accepts the first message of a batch and refuses the others by name."""

    async def publish(self, envelopes):
        await super().publish(envelopes[:1])
        raise PublishError("no room for more", [envelope.message.id for envelope in envelopes[1:]])


def split_app(broker_type):
    context = BackendContext(namespace="split")
    storage = MemoryStorage(Store(context), "records")
    app = QueueTasks(
        "split",
        broker=broker_type(Store(context)),
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
