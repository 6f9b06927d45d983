"""The hooks of the application as a whole: publishing, its life, and the registration of parts.

Those of brokers, storages and global configs are in `backends.py`, those of workers and executors in `worker.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from qtasks.hooks.kinds import collect, notify, replace

if TYPE_CHECKING:
    from qtasks.config import QueueConfig
    from qtasks.ports import Broker, GlobalConfig


class NewTask(TypedDict, total=False):
    """What `qtasks_add_task_before_broker` may replace."""

    task_name: str
    priority: int
    extra: Mapping[str, Any]
    args: Sequence[Any]
    kw: Mapping[str, Any]


class QTasksHooks:
    """Hooks that the application calls, in the process of the producer."""

    @replace(NewTask, added=("extra",))
    def qtasks_add_task_before_broker(
        self,
        qtasks: Any,
        broker: Broker,
        task_name: str,
        priority: int,
        args: Sequence[Any],
        kw: Mapping[str, Any],
        extra: Mapping[str, Any],
    ) -> NewTask | None:
        """First of all when a task is added, before its message exists; once for each task of a bulk.

        The message is made of what is returned. `extra` becomes the `headers` of the message: JSON values that travel
        beside the arguments and are there in the worker.
        """

    @notify
    def qtasks_add_task_after_broker(
        self, qtasks: Any, broker: Broker, task_name: str, priority: int, args: Sequence[Any], kw: Mapping[str, Any]
    ) -> None:
        """Last of all when a task is added: the broker has accepted it."""

    @replace("task")
    def qtasks_get(self, qtasks: Any, broker: Broker, task: Any) -> Any:
        """When a task has been read by its id, last of all; `task` is None when there is none.

        The caller is given what is returned.
        """

    @notify
    def qtasks_stop(self, qtasks: Any, starter: Any) -> None:
        """When `app.stop()` is called, before anything is stopped; `starter` is that of `run_forever`, or None."""

    @notify
    def qtasks_ping(self, qtasks: Any, global_config: GlobalConfig) -> None:
        """When `app.ping()` is called, before the server is asked."""

    @notify
    def qtasks_flush_all(self, qtasks: Any, broker: Broker) -> None:
        """When `app.flush_all()` is called, before anything is deleted."""


class StarterHooks:
    """Hooks of the starter, which runs the components of one worker process."""

    @notify
    def starter_start(self, starter: Any) -> None:
        """When a worker process starts, before its components do."""

    @notify
    def starter_stop(self, starter: Any) -> None:
        """When a worker process stops, after its components did."""


class StatsHooks:
    """Hooks of the statistics."""

    @notify
    def stats_inspect(self, stats: Any) -> None:
        """When `SyncStats` or `AsyncStats` is asked to `inspect()`, before anything is read."""


class RegistrationHooks:
    """Hooks that bring parts into an application, called when it is made unless they say otherwise.

    A target is a dotted path, `package.module:Name`, imported on first use. Implementations are `def`
    and import nothing heavy; an exception stops the application from being made.
    """

    @collect
    def register_plugins(self, register: Callable[..., None], config: QueueConfig) -> None:
        """Call `register(plugin, name=None)` for each plugin that this one brings, first of all registration hooks.

        For an installed plugin that is off unless `config` or the environment asks for it: only what it registers
        then has hooks that cost something. What is registered is as if the application had added it, and is
        shown with the distribution that brought it; it is not asked in its turn.
        """

    @collect
    def register_brokers(self, register: Callable[..., None]) -> None:
        """Call `register(scheme, target)` for each URL scheme of a `Broker` class."""

    @collect
    def register_storages(self, register: Callable[..., None]) -> None:
        """Call `register(scheme, target)` for each URL scheme of a `Storage` class."""

    @collect
    def register_global_configs(self, register: Callable[..., None]) -> None:
        """Call `register(scheme, target)` for each URL scheme of a `GlobalConfig` class."""

    @collect
    def register_types(self, register: Callable[..., None]) -> None:
        """Call `register(kind, target)` for each class of another library whose values are to travel.

        `kind` names the class by its `__module__` and `__qualname__` with a colon between; it holds for the classes
        derived from it, too, and for all applications of the process. The target has `encode(value)`, which returns
        what QTasks encodes by itself, and `decode(kind, value)`, which makes a value of JSON values for an annotation,
        or raises a `ValueError` that says why they do not fit. Called again after each `add_plugin`.
        """

    @collect
    def register_commands(self, register: Callable[..., None]) -> None:
        """Call `register(name, target, help="One line.")` for each command of `qtasks`, a click command.

        Called by the command line only.
        """

    @collect
    def register_stats(self, register: Callable[..., None]) -> None:
        """Call `register(name, target, help="One line.")` for each section of `qtasks stats inspect`.

        The target is `async def section(app, link, names)`: it reads over `link` (`broker`, `storage`,
        `global_config`) and returns a dict, or a list of dicts, of JSON values. `names` is a tuple of what the user
        wrote behind the name of the section. Called when statistics are asked for.
        """

    @collect
    def register_task(self, task_func: Any) -> None:
        """When a task gets into an application, declared there or included; `task_func` is its definition.

        That is where a plugin reads the options of the decorator that are its own, `task_func.options.extra`, and
        refuses those that it cannot use: an exception keeps the task out, and is raised where it was declared.
        """

    @collect
    def register_arounds(self, register: Callable[..., None], task_func: Any, args_info: Sequence[Any]) -> None:
        """Call `register(around)` for each `async def around(call_next, ctx)` to be led around the runs of one task.

        Asked in a worker, when it gets the task for the first time; an exception is the error of the task. It is
        like `task_executor_around`, which it is called within, but other tasks pay nothing for it, and a thread
        still leads the runs of a blocking task: there it must not suspend but by `ctx.wait_for` and
        `ctx.call_blocking`. It may assign `ctx.args` and `ctx.kw`.
        """
