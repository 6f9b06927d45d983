"""A clinic: parts made by the program, settings from outside, and tests of its tasks without any server.

Worker: qtasks -A program:app run -p 2
"""

import asyncio
import os

os.environ["QTASKS_MAX_TASKS_PROCESS"] = "3"

import qtasks.brokers
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.brokers import AsyncRedisBroker, SyncRedisBroker
from qtasks.brokers.base import BaseBroker
from qtasks.configs import AsyncRedisGlobalConfig, QueueConfig, SyncRedisGlobalConfig
from qtasks.configs.base import BaseGlobalConfig
from qtasks.plugins.testing import AsyncTestPlugin, SyncTestPlugin
from qtasks.routers import AsyncRouter, SyncRouter
from qtasks.schemas.test import TestConfig
from qtasks.storages import AsyncRedisStorage, SyncRedisStorage
from qtasks.storages.base import BaseStorage
from qtasks.tests import AsyncTestCase, SyncTestCase

url = os.environ["QTASKS_URL"]


def is_there(broker: str, instead: str) -> bool:
    """Whether a broker is installed; where it is not, the error says what to do."""
    try:
        return hasattr(qtasks.brokers, broker)
    except ImportError as error:
        assert instead in str(error), error  # noqa: PT017 - a user's program
        return False


# Settings: the environment goes before the program, names of the program's own are kept, and who subscribed hears.

changes = []
config = QueueConfig(
    max_tasks_process=50,
    running_older_tasks=True,
    delete_finished_tasks=True,
    task_default_priority=2,
    task_default_decode=None,
    logs_default_level_server=20,
    logs_default_level_client=20,
    logs_format="%(message)s",
    result_time_interval=0.1,
    result_statuses_end=["success", "error", "cancel"],
    global_config_status_ttl=20,
    global_config_status_set_periodic=17,
    environ_prefix="QTASKS_",
    ward="north",
)
config.subscribe(lambda config, key, value: changes.append((key, value)))

# Parts: objects where this program runs on Redis, URLs elsewhere.

if url.startswith("redis:"):
    storage = SyncRedisStorage(name="clinic", url=url)
    settings = SyncRedisGlobalConfig(name="clinic", url=url)
    broker = SyncRedisBroker(name="clinic", url=url, storage=storage)
    app = QueueTasks("clinic", broker=broker, storage=storage, global_config=settings, config=config)
    parts = {"broker": AsyncRedisBroker(name="lab", url=url), "storage": AsyncRedisStorage(name="lab", url=url)}
    lab = AsyncQueueTasks("lab", **parts, global_config=AsyncRedisGlobalConfig(name="lab", url=url))
else:
    app = QueueTasks("clinic", broker_url=url, storage_url=url, config=config)
    lab = AsyncQueueTasks("lab", broker_url=url)

wards = SyncRouter()
benches = AsyncRouter()


@wards.task
def examine(patient: str):
    return f"{patient} is well"


@benches.task
async def analyse(sample: int):
    return sample * 2


app.include_router(wards)
lab.include_router(benches)
app.add_plugin(SyncTestPlugin())
lab.add_plugin(AsyncTestPlugin())


def test_examine():
    case = SyncTestCase(app)
    case.settings(TestConfig.full())
    case.start_in_background()
    done = case.add_task("examine", "Ada", timeout=30.0)
    assert (done.status, done.returning) == ("success", "Ada is well")
    assert case.get(done.uuid).returning == done.returning
    case.stop()
    assert app.get(done.uuid) is None


async def test_analyse():
    case = AsyncTestCase(lab)
    case.settings(TestConfig.only_worker(plugins=True))
    started = asyncio.create_task(case.start())
    await asyncio.sleep(0)
    done = await case.add_task("analyse", 21, timeout=30.0)
    assert (await case.get(done.uuid)).returning == 42
    await case.stop()
    await started


def test_flags():
    assert TestConfig.full() == TestConfig(worker=True, broker=True, storage=True, global_config=True, plugins=True)
    assert TestConfig.only_broker(plugins=False) == TestConfig(broker=True)
    assert not TestConfig.full_broker().worker


if __name__ == "__main__":
    assert examine.add_task("Grace", timeout=30.0).returning == "Grace is well"
    for optional in ("AsyncRabbitMQBroker", "SyncRabbitMQBroker"):
        is_there(optional, "pip install qtasks-rabbitmq")
    for optional in ("AsyncKafkaBroker", "SyncKafkaBroker"):
        is_there(optional, "pip install qtasks-kafka")
    assert not is_there("AsyncSocketBroker", "sqlite")
    assert not is_there("SyncSocketBroker", "sqlite")

    assert (app.config.max_tasks_process, app.config.ward) == (3, "north")
    config.ward = "south"
    config.task_default_priority = 1
    assert changes == [("ward", "south"), ("task_default_priority", 1)]
    os.environ["QTASKS_MAX_TASKS_PROCESS"] = "many"
    try:
        QueueConfig()
    except ValueError as error:
        assert "QTASKS_MAX_TASKS_PROCESS" in str(error)  # noqa: PT017 - likewise
    else:
        raise AssertionError("an unreadable setting was taken")

    assert isinstance(app.broker, BaseBroker)
    assert isinstance(app.storage, BaseStorage)
    assert isinstance(app.global_config.backend, BaseGlobalConfig)
    assert app.version == lab.version
    assert app.log.name == "qtasks"
    assert [plugin.name for plugin in app.plugins]

    test_examine()
    asyncio.run(test_analyse())
    test_flags()
