"""What both faces of an application share: wiring, tasks, plugins, and every operation as a coroutine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from uuid import UUID

from qtasks._version import __version__
from qtasks.app.backends import DEFAULT_URL, Backends, Role
from qtasks.app.gathering import GatheringLink
from qtasks.app.settings import Settings
from qtasks.builtins.events import Events
from qtasks.builtins.middlewares import Middlewares
from qtasks.builtins.retry import RetryPlugin
from qtasks.config import QueueConfig
from qtasks.errors import ConfigError
from qtasks.foreign import register_type
from qtasks.hooks import HookRegistry, PluginInfo, discover
from qtasks.message import Record
from qtasks.options import CallOptions, check_name
from qtasks.ports import BackendContext, Broker, CancelAnswer, Component, GlobalConfig, Storage
from qtasks.producer import Producer
from qtasks.registry import TaskDefinition, check_task_name
from qtasks.result import Task
from qtasks.router import Declarations, shared
from qtasks.runtime import Call, Link, Make, Runtime, drive
from qtasks.task import PreparedCall, RegisteredTask, call_options, send_one

SCHEDULED = {"cron", "every", "schedule"}
"""What a task says that is to be enqueued by itself. Words that nobody knows are ignored, but these not."""

FLUSH_BATCH = 1000
"""How many records `flush_all` deletes in one step."""


class Application(Declarations):
    """An application: tasks, components, plugins and settings under one name.

    Args:
        name: the namespace: applications of one name share queues.
        broker_url: where tasks wait; None is the embedded default, an SQLite file (its path is logged).
        broker: a broker object, in place of a URL.
        worker: the class that runs tasks, in place of `Worker`.
        log: the logger, in place of `qtasks`.
        config: the settings.
        events: what is listened to from the beginning; more can be added to `app.events`.
        storage_url: where results are kept; None is where the broker is, if a storage is served there.
        storage: a storage object, in place of a URL.
        global_config: a global config object; None goes by the storage.
        plugins: names of the installed plugins to load; None loads all that are allowed.
        starter: the class that runs a worker in this process, in place of `Starter`.

    Raises:
        ConfigError: a value cannot be used.
        BackendMissingError: no installed distribution serves a URL; the hint says what to install.
    """

    def __init__(
        self,
        name: str = "QueueTasks",
        broker_url: str | None = None,
        broker: Broker | None = None,
        worker: type[Any] | None = None,
        log: logging.Logger | None = None,
        config: QueueConfig | None = None,
        events: Events | None = None,
        *,
        storage_url: str | None = None,
        storage: Storage | None = None,
        global_config: GlobalConfig | None = None,
        plugins: Iterable[str] | None = None,
        starter: type[Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = check_name(name, "name")
        for argument, given, kind in (
            ("broker", broker, Broker),
            ("storage", storage, Storage),
            ("global_config", global_config, GlobalConfig),
            ("worker", worker, type),
            ("starter", starter, type),
            ("config", config, QueueConfig),
            ("events", events, Events),
        ):
            if given is not None and not isinstance(given, kind):
                expected = "class" if kind is type else kind.__name__
                raise ConfigError(
                    f"{argument}: expected a {expected}, found {type(given).__name__}.",
                    f"A URL goes into {argument}_url=." if argument in ("broker", "storage") else "",
                )
        self.version = __version__
        self.config = config or QueueConfig()
        self.log = log or logging.getLogger("qtasks")
        self.routers: list[Declarations] = []
        self.starter: Any = None
        self._middlewares: Middlewares | None = None
        self.worker_class = worker
        self.starter_class = starter
        self.hooks = HookRegistry(timeout_s=self.config.hook_timeout)
        self.hooks.guard = _guard
        self.events = events or Events()
        discover(self.hooks, builtin="qtasks.builtins", plugins=plugins)
        self.hooks.add(RetryPlugin())
        self.hooks.add_brought(self.config)
        drive(self.hooks.dispatch.register_types(register=register_type))
        self.backends = Backends(self.hooks.dispatch)
        link = self._link(broker_url, broker, storage_url, storage, global_config)
        self.runtime = Runtime(self.name, self.config, self.tasks, self.hooks, link, self._bridge, self)
        self.runtime.producer = Producer(self.runtime)
        self.events.attach(self.hooks)
        self.home.settle(self.runtime)
        self.tasks.admit = self._admit
        shared.include_in(self.runtime)

    # Wiring.

    def _link(
        self,
        broker_url: str | None,
        broker: Broker | None,
        storage_url: str | None,
        storage: Storage | None,
        global_config: GlobalConfig | None,
    ) -> Link:
        context = BackendContext(namespace=self.name, call_timeout_s=self.config.call_timeout)
        asked: tuple[tuple[Role, Component | None, str | None], ...] = (
            ("broker", broker, broker_url),
            ("storage", storage, storage_url),
            ("global_config", global_config, None),
        )
        where, near = os.environ.get("QTASKS_URL", DEFAULT_URL), None
        parts: list[Any] = []
        for role, given, url in asked:  # each is where the one before it is, unless it is said or served elsewhere
            if given is not None and url is not None:
                raise ConfigError(f"Give {role}= or {role}_url=, not both.")
            if given is not None:
                where, near = given.url, given
            elif url is not None or (parts and not self.backends.serves(role, where)):
                where, near = DEFAULT_URL if url is None else url, None
            parts.append(self.backends.make(role, where, context, near) if given is None else given)
        settings = Settings(parts[2], self.hooks.dispatch)
        return GatheringLink(parts[0], parts[1], settings, parts[1].shares(parts[0]))

    def _admit(self, definition: TaskDefinition) -> None:
        hook = self.hooks.dispatch.register_task
        if not hook and (words := SCHEDULED & definition.options.extra.keys()):
            raise ConfigError(
                f"Task {definition.name}: nothing here heeds {min(words)}=, so it would never be enqueued by itself.",
                'Schedules are a plugin: pip install "qtasks-plugins[schedules]". See `qtasks plugins list`.',
            )
        drive(hook(task_func=definition))

    def _bridge(self, make: Make[Any]) -> Any:
        from qtasks.app.bridge import run_on_background_loop

        return run_on_background_loop(self.runtime.run_async(make))

    @property
    def broker(self) -> Broker:
        """The broker."""
        return self.runtime.link.broker

    @property
    def storage(self) -> Storage:
        """The storage."""
        return self.runtime.link.storage

    @property
    def global_config(self) -> Settings:
        """The global config, with the hooks around its calls."""
        return self.runtime.link.global_config

    @property
    def worker(self) -> Any:
        """The worker that `run_forever` runs; None as long as it runs none."""
        return None if self.starter is None else self.starter.worker

    @property
    def plugins(self) -> list[PluginInfo]:
        """Every plugin: loaded, left out, or failed, with the reason."""
        return self.hooks.plugins()

    def include_router(self, router: Declarations) -> None:
        """Take in the tasks of a router, and those it gets later.

        Raises:
            ConfigError: a name is taken; nothing was taken in.
        """
        router.include_in(self.runtime)
        self.routers.append(router)

    def add_plugin(
        self, plugin: object, trigger_names: Iterable[str] | None = None, component: str | None = None
    ) -> str:
        """Register a plugin object or module and return its name.

        Args:
            plugin: an object or module with functions marked `@hookimpl`, or an old-style plugin with
                `trigger(name, **kwargs)`. One of the class of an installed plugin that is loaded adds nothing.
            trigger_names: the only hooks to register it for; None is all, `["-"]` only start and stop.
            component: only hooks of this component; `worker` includes `task_executor`.

        Raises:
            PluginError: it is not what a plugin has to be; the hint says what is wrong.
        """
        name = self.hooks.add(plugin, trigger_names=trigger_names, component=component)
        drive(self.hooks.dispatch.register_types(register=register_type))
        return name

    def add_middleware(self, middleware: Any, position: Literal["before", "after"] = "before") -> None:
        """Have a middleware run with every task of this application.

        Args:
            middleware: as in `middlewares_before` of a task: something called with the executor, or a class.
            position: `before` the function (and before what the task has itself), or `after` it, likewise.

        Raises:
            ConfigError: it is nothing to call, or there is no such position.
        """
        if position not in {"before", "after"} or not callable(middleware):
            found = f"{middleware!r}, {position!r}"
            raise ConfigError(f'add_middleware: expected something to call and "before" or "after", found {found}.')
        if self._middlewares is None:
            self._middlewares = Middlewares()
            self.add_plugin(self._middlewares)
        getattr(self._middlewares, position).append(middleware)

    # Operations: the one implementation behind both faces.

    def _call(self, task_name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: CallOptions) -> Call:
        if isinstance(task_name, RegisteredTask):
            mend = f"Write {task_name.task_name}.add_task(...)."
            raise ConfigError(f"add_task of an application takes a task's name, found {task_name!r}.", mend)
        definition: TaskDefinition | None = self.tasks.find(check_task_name(task_name))
        return Call(task_name, args, kwargs, options, definition)

    def _add_one(
        self, task_name: str, args: tuple[Any, ...], kwargs: dict[str, Any], priority: int | None, timeout: float | None
    ) -> Make[Task[Any] | None]:
        call = self._call(task_name, args, kwargs, call_options(priority, timeout))
        return lambda link: send_one(self.home, link, call)

    def _add_many(self, calls: Sequence[PreparedCall[Any]]) -> Make[list[Task[Any]]]:
        mend = "Write app.add_tasks([task(1), task(2)])."
        if not isinstance(calls, Iterable):
            raise ConfigError(f"add_tasks takes a list of prepared calls, found {calls!r}.", mend)
        bare = []
        for call in calls:
            if not isinstance(call, PreparedCall):
                raise ConfigError(f"add_tasks takes prepared calls, found {call!r}.", mend)
            bare.append(call.call)
        return lambda link: self.runtime.producer.send(link, bare)

    async def read(self, link: Link, uuid: UUID | str) -> Task[Any] | None:
        """Read one task over a link, with the hooks of reading."""
        (record,) = await link.storage.get_many([task_id(uuid)])
        task = None if record is None else Task[Any](self.runtime, None, record)
        hooks = self.hooks.dispatch
        task = await hooks.storage_get(storage=link.storage, result=task)
        task = await hooks.broker_get(broker=link.broker, task=task)
        answer: Task[Any] | None = await hooks.qtasks_get(qtasks=self, broker=link.broker, task=task)
        return answer

    async def read_many(self, link: Link, **which: Any) -> list[Record]:
        """Read the records that fit, the newest first, with the hook of reading; `which` as for `Storage.find`."""
        records = await link.storage.find(**which)
        return list(await self.hooks.dispatch.storage_get_all(storage=link.storage, results=records))

    async def _cancel(self, link: Link, uuid: UUID | str, reason: str) -> CancelAnswer:
        return await link.broker.cancel(task_id(uuid), reason)

    async def _ping(self, link: Link) -> bool:
        hooks = self.hooks.dispatch
        await hooks.qtasks_ping(qtasks=self, global_config=link.global_config.backend)
        await link.broker.inspect()
        return True

    async def _flush_all(self, link: Link) -> None:
        hooks = self.hooks.dispatch
        await hooks.qtasks_flush_all(qtasks=self, broker=link.broker)
        await hooks.broker_flush_all(broker=link.broker)
        for queue in await link.broker.inspect():
            await link.broker.purge(queue.name)
        await hooks.storage_flush_all(storage=link.storage)
        while records := await link.storage.find(limit=FLUSH_BATCH):
            await link.storage.remove([record.id for record in records])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} on {self.broker.url}: {len(self.tasks)} tasks>"


def task_id(uuid: UUID | str) -> str:
    """A task's id as 32 hexadecimal digits.

    Raises:
        ConfigError: it is none.
    """
    try:
        return uuid.hex if isinstance(uuid, UUID) else UUID(str(uuid)).hex
    except ValueError as error:
        raise ConfigError(
            f"{uuid!r} is not the id of a task.", "Pass task.uuid, or its 32 hexadecimal digits."
        ) from error


async def _guard(awaitable: Any, seconds: float) -> Any:
    import asyncio

    async with asyncio.timeout(seconds):
        return await awaitable
