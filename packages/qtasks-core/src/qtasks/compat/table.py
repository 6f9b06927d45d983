"""Which module paths QTasks 1.7 had, which names these had, and where what they name lives now.

`*` stands for `Async` and for `Sync`, each.
"""

from collections.abc import Iterator, Mapping

PATHS = {
    "asyncio.qtasks": "QueueTasks",
    "brokers brokers.base": "*RedisBroker *RabbitMQBroker *KafkaBroker *SocketBroker BaseBroker",
    "storages storages.base": "*RedisStorage BaseStorage",
    "configs configs.base configs.config": "QueueConfig *RedisGlobalConfig BaseGlobalConfig",
    "workers workers.base": "AsyncWorker SyncThreadWorker BaseWorker",
    "starters starters.base": "*Starter BaseStarter",
    "executors executors.base": "*TaskExecutor BaseTaskExecutor",
    "routers": "*Router",
    "registries registries.async_task_decorator registries.sync_task_decorator": "*Task",
    "contexts": "*Context",
    "results": "*Result",
    "middlewares middlewares.base middlewares.task": "TaskMiddleware BaseMiddleware",
    "plugins plugins.base": "BasePlugin",
    "plugins plugins.depends": "Depends ScopeEnum *DependsPlugin",
    "plugins plugins.states": "*State *StatePlugin",
    "plugins plugins.retries": "*RetryPlugin",
    "plugins plugins.pydantic": "*PydanticWrapperPlugin",
    "plugins plugins.testing": "*TestPlugin",
    "plugins plugins.grpc": "*gRPCPlugin",
    "timers": "*Timer",
    "events": "*Events",
    "enums": "TaskStatusEnum",
    "exc": "TaskCancelError TaskPluginTriggerError",
    "schemas schemas.task": "Task",
    "schemas schemas.task_cls": "*TaskCls",
    "schemas schemas.task_exec": "TaskExecSchema TaskPrioritySchema",
    "schemas schemas.task_status": "TaskStatusNewSchema TaskStatusProcessSchema TaskStatusSuccessSchema "
    "TaskStatusErrorSchema TaskStatusCancelSchema",
    "schemas schemas.test": "TestConfig",
    "schemas schemas.argmeta": "ArgMeta",
    "tests": "*TestCase",
    "utils": "get_app shared_task *TaskUtils",
    "contrib": "",
    "contrib.django": "autodiscover_tasks",
    "logs": "Logger",
}
"""The names of each module, below `qtasks`. What 1.7 had in a module that there still is, that module has itself."""

HOMES = {
    "qtasks.asyncio": "QueueTasks",
    "qtasks.app.starter": "*Starter=Starter BaseStarter=Starter",
    "qtasks.builtins.events": "*Events=Events",
    "qtasks.builtins.retry": "*RetryPlugin=RetryPlugin",
    "qtasks.compat.applications": "get_app autodiscover_tasks",
    "qtasks.compat.cases": "*TestCase TestConfig",
    "qtasks.compat.chains": "*TaskUtils",
    "qtasks.compat.components": "Logger",
    "qtasks.compat.executors": "*TaskExecutor",
    "qtasks.compat.plugins": "BaseMiddleware BasePlugin TaskMiddleware *TestPlugin=TestPlugin",
    "qtasks.compat.schemas": "TaskStatusNewSchema TaskStatusProcessSchema TaskStatusSuccessSchema "
    "TaskStatusErrorSchema TaskStatusCancelSchema",
    "qtasks.config": "QueueConfig",
    "qtasks.errors": "TaskCancelError TaskPluginTriggerError",
    "qtasks.executor.context": "*Context",
    "qtasks.executor.executor": "BaseTaskExecutor=TaskExecutor",
    "qtasks.executor.plan": "ArgMeta",
    "qtasks.message": "TaskPrioritySchema=TaskMessage",
    "qtasks.ports": "BaseBroker=Broker BaseGlobalConfig=GlobalConfig BaseStorage=Storage",
    "qtasks.registry": "TaskExecSchema=TaskDefinition",
    "qtasks.result": "Task *Result=Task",
    "qtasks.router": "*Router shared_task",
    "qtasks.task": "*Task *TaskCls=*Call",
    "qtasks.types": "TaskStatusEnum=TaskStatus",
    "qtasks.worker.worker": "AsyncWorker=Worker SyncThreadWorker=Worker BaseWorker=Worker",
    "qtasks_plugins.depends": "Depends ScopeEnum",
    "qtasks_plugins.depends.plugin": "*DependsPlugin=DependsPlugin",
    "qtasks_plugins.grpc": "*gRPCPlugin",
    "qtasks_plugins.pydantic": "*PydanticWrapperPlugin=PydanticPlugin",
    "qtasks_plugins.schedules": "*Timer",
    "qtasks_plugins.states": "*State",
    "qtasks_plugins.states.plugin": "*StatePlugin=StatePlugin",
}
"""The names that each module has now; `Old=New` where that is another name."""

COMPONENTS = {
    "qtasks_kafka.broker": "*KafkaBroker=KafkaBroker",
    "qtasks_rabbitmq.broker": "*RabbitMQBroker=RabbitMQBroker",
    "qtasks_redis.broker": "*RedisBroker=RedisBroker",
    "qtasks_redis.global_config": "*RedisGlobalConfig=RedisGlobalConfig",
    "qtasks_redis.storage": "*RedisStorage=RedisStorage",
}
"""The same of components, which 1.7 made otherwise."""

GONE = {
    "*SocketBroker": 'SQLite needs no server either: QueueTasks(broker_url="sqlite:///tasks.db"), or no URL at all.'
}
"""The names that have no successor, and what serves in their place."""


def both(words: str) -> Iterator[tuple[str, str]]:
    """Each name of a row with the name that it has now."""
    for word in words.split():
        old, _, new = word.partition("=")
        for face in ("Async", "Sync") if "*" in old else ("",):
            yield old.replace("*", face), (new or old).replace("*", face)


def _targets(table: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {old: (home, new) for home, words in table.items() for old, new in both(words)}


NAMES: dict[str, list[str]] = {}
"""The names of each old module, by its full path."""
for _paths, _words in PATHS.items():
    for _path in _paths.split():
        NAMES.setdefault(f"qtasks.{_path}", []).extend(old for old, _ in both(_words))

TARGETS = _targets(HOMES)
MADE = _targets(COMPONENTS)
INSTEAD = {old: instead for name, instead in GONE.items() for old, _ in both(name)}
