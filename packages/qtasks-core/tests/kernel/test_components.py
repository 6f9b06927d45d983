"""What an application is made of: components by URL or as objects, together or apart."""

import pytest
from kernel.support import PATIENCE_S, TroubledBroker, new_store, troubled_app, wait_until
from qtasks import QueueTasks
from qtasks.backends.memory.global_config import MemoryGlobalConfig
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.backends.memory.store import MemoryComponent
from qtasks.errors import BackendMissingError, BackendUnavailableError, ConfigError, PublishError
from qtasks.message import new_id
from qtasks.testing import running


def test_an_empty_url_is_an_error_and_not_the_default():
    with pytest.raises(ConfigError, match="is not a URL"):
        QueueTasks(broker_url="")


def test_a_missing_backend_is_answered_with_the_line_that_installs_it():
    with pytest.raises(BackendMissingError) as raised:
        QueueTasks(broker_url="redis://localhost:6379/0", plugins=[])
    assert str(raised.value) == (
        "No broker for redis://.\nInstall one: pip install qtasks-redis. Installed here: memory, sqlite."
    )


@pytest.mark.parametrize("url", ["nonsense", 3, "localhost:6379", "me:secret@localhost:6379"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match="is not a URL: it has no scheme://") as raised:
        QueueTasks(broker_url=url)
    assert "redis://localhost:6379/0" in raised.value.hint
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("scheme", "mend"),
    [
        ("redis+sentinel", "Install one: pip install qtasks-redis."),
        ("rabbitmq", "Did you mean 'amqp'?"),
        ("sqllite", "Did you mean 'sqlite'?"),
        ("postgres", "A plugin has to bring it: none of the distributions of QTasks does."),
    ],
)
def test_a_scheme_that_nothing_serves_is_told_with_what_is_meant(scheme, mend):
    with pytest.raises(BackendMissingError, match=r"^No broker for ") as raised:
        QueueTasks(broker_url=f"{scheme}://host", plugins=[])
    assert raised.value.hint == f"{mend} Installed here: memory, sqlite."


def test_a_component_is_given_once():
    app, _ = troubled_app()
    with pytest.raises(ConfigError, match="Give broker= or broker_url=, not both"):
        QueueTasks(broker=app.broker, broker_url="memory://")
    with pytest.raises(ConfigError, match="Give storage= or storage_url=, not both"):
        QueueTasks(broker_url="memory://", storage=app.storage, storage_url="memory://")


@pytest.mark.parametrize(
    ("argument", "given", "said"),
    [
        ("broker", "redis://:secret@x", "broker: expected a Broker, found str."),
        ("storage", "redis://:secret@x", "storage: expected a Storage, found str."),
        ("global_config", "redis://x", "global_config: expected a GlobalConfig, found str."),
        ("worker", "Worker", "worker: expected a class, found str."),
        ("starter", object(), "starter: expected a class, found object."),
        ("config", {"result_ttl": 3}, "config: expected a QueueConfig, found dict."),
    ],
)
def test_a_part_of_a_wrong_kind_is_refused(argument, given, said):
    with pytest.raises(ConfigError) as raised:
        QueueTasks("kernel", **{argument: given})
    assert raised.value.message == said
    assert raised.value.hint == (f"A URL goes into {argument}_url=." if argument in {"broker", "storage"} else "")


class SecretiveBroker(TroubledBroker):
    url = "memory://shop:***@server"


class SecretiveStorage(MemoryStorage):
    url = "memory://shop:***@server"


def test_nothing_is_made_beside_an_object_from_a_url_without_its_password():
    store = new_store()
    with pytest.raises(ConfigError, match="No storage can be made beside the SecretiveBroker") as raised:
        QueueTasks("kernel", broker=SecretiveBroker(store))
    assert raised.value.hint == "Give storage= too, or a URL in the place of the object."
    storage = SecretiveStorage(store, "test")
    with pytest.raises(ConfigError, match="No global_config can be made beside the SecretiveStorage"):
        QueueTasks("kernel", broker=SecretiveBroker(store), storage=storage)
    settings = MemoryGlobalConfig(store, "test")
    assert (
        QueueTasks("kernel", broker=SecretiveBroker(store), storage=storage, global_config=settings).storage is storage
    )


def test_an_object_with_a_password_is_given_its_siblings_by_the_backend_itself():
    class OpenHandedBroker(SecretiveBroker):
        def beside(self, kind):
            return kind(self.store, "test") if issubclass(kind, MemoryComponent) else None

    store = new_store()
    app = QueueTasks("kernel", broker=OpenHandedBroker(store))
    assert app.runtime.link.shared
    assert app.global_config.backend.store is store
    apart = QueueTasks("kernel", broker=OpenHandedBroker(store), storage_url=f"memory://{new_id()}")
    assert (apart.runtime.link.shared, apart.global_config.backend.store is store) == (False, False)


def test_the_url_of_the_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("QTASKS_URL", "memory://from-outside")
    assert QueueTasks().broker.url == "memory://from-outside"
    assert QueueTasks(broker_url="memory://own").broker.url == "memory://own"


def test_a_broker_and_a_storage_that_are_apart_work_together():
    app = QueueTasks("kernel", f"memory://{new_id()}", storage_url=f"memory://{new_id()}")
    task = app.task("t", retry=1, retry_delay=0)(lambda x: 1 / x)

    @app.task
    def letters():
        yield from "abc"

    with running(app):
        assert not app.runtime.link.shared
        assert task.add_task(1, timeout=PATIENCE_S).result() == 1
        assert task.add_task(0, timeout=PATIENCE_S).error == "ZeroDivisionError: division by zero"
        assert list(letters.add_task(timeout=PATIENCE_S).stream()) == ["a", "b", "c"]


class Refusing(TroubledBroker):
    async def publish(self, envelopes):
        raise PublishError("no room", [envelope.message.id for envelope in envelopes])


def records_of(app):
    return app.runtime.run_blocking(lambda link: link.storage.find())


def test_the_record_of_a_message_that_was_refused_is_removed():
    app = QueueTasks("kernel", broker=Refusing(new_store()), storage_url=f"memory://{new_id()}")
    call = app.task("t")(print)
    with pytest.raises(PublishError):
        call.add_task()
    assert records_of(app) == []


def test_the_record_of_a_message_that_may_wait_in_the_queue_is_kept():
    """The broker was asked and did not answer: a worker may have the task by now."""
    app, trouble = troubled_app()
    apart = QueueTasks("kernel", broker=app.broker, storage_url=f"memory://{new_id()}")
    trouble.lose_reply("publish")
    call = apart.task("t")(lambda: "ran")
    with pytest.raises(BackendUnavailableError):
        call.add_task()
    (record,) = records_of(apart)
    with running(apart):
        assert wait_until(lambda: apart.get(record.id).status.terminal, "it ran")
    assert apart.get(record.id).result() == "ran"
