"""The hooks of brokers, storages and global configs.

The core calls them around what it asks of a backend; backends themselves call none, so they fire the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from qtasks.hooks.kinds import notify, replace

if TYPE_CHECKING:
    from qtasks.ports import Broker, GlobalConfig, Storage


class TakenTask(TypedDict, total=False):
    """What `broker_add_worker` and `storage_running_older_tasks` may replace."""

    task_name: str
    uuid: UUID
    priority: int
    args: Sequence[Any]
    kw: Mapping[str, Any]
    created_at: datetime


class StoredTask(TypedDict, total=False):
    """What `storage_add` may replace."""

    uuid: UUID
    task_status: Any


class ProcessedTask(TypedDict, total=False):
    """What `storage_add_process` may replace."""

    task_data: Mapping[str, Any]
    priority: int


class Setting(TypedDict, total=False):
    """What `global_config_set` may replace."""

    name: str
    key: str
    value: Any


class BrokerHooks:
    """Hooks around what the core asks of the broker."""

    @replace("model")
    def broker_add_before(self, broker: Broker, storage: Storage, model: Any) -> Any:
        """When a task is added and its message is made, before anything is written; `model` is the `TaskMessage`.

        What is returned is published.
        """

    @notify
    def broker_add_after(self, broker: Broker, storage: Storage, model: Any) -> None:
        """When a task is added and the broker has accepted its message; `model` is the `TaskMessage`."""

    @replace("model")
    def broker_write_message(self, broker: Broker, model: Any) -> Any:
        """When a task is added, after `storage_add`, and when a dead letter is replayed; `model` is the `Envelope`.

        The last look at a message and its bytes: what is returned is published. `qtasks.codec.envelope_of` makes a
        changed one.
        """

    @replace("model")
    def broker_read_message(self, broker: Broker, worker: Any, model: Any) -> Any:
        """When a message has been decoded, before anything in it is used; `model` is the `Envelope`.

        That is by a worker that has taken it, before `broker_add_worker`, and by the replay of a dead letter, where
        `worker` is None. What is returned is used in its place; what is stored stays. A `MalformedMessageError` refuses
        it: it becomes a dead letter, its `reason` and text the error, or is not replayed.
        """

    @replace("task")
    def broker_get(self, broker: Broker, task: Any) -> Any:
        """When a task has been read by its id, after `storage_get`; `task` is None when there is none.

        The caller is given what is returned.
        """

    @replace("kw")
    def broker_update(self, broker: Broker, kw: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Once for each outcome, before it is flushed and after `storage_update`, with the same `kw`.

        The fields that are returned are written, those that are left out stay as they were.
        """

    @notify
    def broker_start(self, broker: Broker, worker: Any) -> None:
        """When a worker process has opened broker, storage and global config, after `starter_start`."""

    @notify
    def broker_stop(self, broker: Broker) -> None:
        """When a worker process is about to close the broker, after the worker has stopped."""

    @notify
    def broker_listen_start(self, broker: Broker, worker: Any) -> None:
        """When a worker is about to take its first tasks."""

    @notify
    def broker_running_older_tasks(self, broker: Broker, worker: Any) -> None:
        """Once for each delivery that was recovered from a worker that died, before `broker_add_worker`."""

    @replace(TakenTask)
    def broker_add_worker(
        self,
        broker: Broker,
        worker: Any,
        task_name: str,
        uuid: UUID,
        priority: int,
        args: Sequence[Any],
        kw: Mapping[str, Any],
        created_at: datetime,
    ) -> TakenTask | None:
        """When a worker has taken a task, first of all.

        Returns change the copy of this run only: a new priority has no effect, a new uuid is a PluginError.
        """

    @replace("model")
    def broker_remove_finished_task(self, broker: Broker, storage: Storage, model: Any) -> Any:
        """Once for each outcome, last of all before it is flushed; `model` is the `Outcome`.

        What is returned is flushed.
        """

    @notify
    def broker_flush_all(self, broker: Broker) -> None:
        """When everything that the namespace has in the broker is about to be deleted."""


class StorageHooks:
    """Hooks around what the core asks of the storage."""

    @replace(StoredTask)
    def storage_add(self, storage: Storage, uuid: UUID, task_status: Any) -> StoredTask | None:
        """When a task is added, right before its record and its queue entry are written; `task_status` is `new`.

        The task gets the `uuid` that is returned; a returned `task_status` has no effect.
        """

    @replace("result")
    def storage_get(self, storage: Storage, result: Any) -> Any:
        """When a task has been read by its id, first of all; `result` is the `Task`, None when there is none.

        That is by `app.get()`, by `ctx.get_task()`, and for `stats inspect task ID`. The caller is given what is
        returned.
        """

    @replace("results")
    def storage_get_all(self, storage: Storage, results: Sequence[Any]) -> Sequence[Any] | None:
        """When dead letters have been read for the statistics; `results` holds a `Record` of each.

        The caller is given what is returned.
        """

    @replace("kw")
    def storage_update(self, storage: Storage, kw: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Once for each outcome, first of all before it is flushed.

        `kw` holds those fields of the `Outcome` that may be changed: `status`, `result` (encoded JSON), `error`, `due`
        and `keep_s`. The fields that are returned are written, those that are left out stay as they were.
        """

    @notify
    def storage_remove_finished_task(self, storage: Storage, task_broker: Any, model: Any) -> None:
        """Once for each outcome, after it was flushed; `model` is the `Outcome`."""

    @replace(ProcessedTask)
    def storage_add_process(
        self, storage: Storage, task_data: Mapping[str, Any], priority: int
    ) -> ProcessedTask | None:
        """When a worker has taken a task, after `broker_add_worker`; `task_data` has its other keywords as keys.

        Returns change the copy of this run only: a new priority has no effect, a new uuid is a PluginError.
        """

    @replace(TakenTask)
    def storage_running_older_tasks(
        self,
        storage: Storage,
        worker: Any,
        task_name: str,
        uuid: UUID,
        priority: int,
        created_at: datetime,
        args: Sequence[Any],
        kw: Mapping[str, Any],
    ) -> TakenTask | None:
        """Once for each delivery that was recovered from a worker that died, after `broker_running_older_tasks`.

        Returns change the copy of this run only: a new priority has no effect, a new uuid is a PluginError.
        """

    @notify
    def storage_delete_finished_tasks(self, storage: Storage) -> None:
        """With each beat of a worker: when records whose time is over are about to be deleted."""

    @notify
    def storage_flush_all(self, storage: Storage) -> None:
        """When everything that the namespace has in the storage is about to be deleted."""

    @notify
    def storage_start(self, storage: Storage) -> None:
        """When a worker process has opened the storage, after `broker_start`."""

    @notify
    def storage_stop(self, storage: Storage) -> None:
        """When a worker process is about to close the storage, before `broker_stop`."""


class GlobalConfigHooks:
    """Hooks around what the core asks of the global config."""

    @replace(Setting, renamed={"name": "name_"})
    def global_config_set(self, global_config: GlobalConfig, name_: str, key: str, value: Any) -> Setting | None:
        """Before a value is written.

        What is returned is written; the keyword `name_` is replaced by the key `name`.
        """

    @replace("get")
    def global_config_get(self, global_config: GlobalConfig, get: Any) -> Any:
        """When one value has been read.

        The caller is given what is returned.
        """

    @replace("get")
    def global_config_get_all(self, global_config: GlobalConfig, get: Any) -> Any:
        """When all values of a name have been read.

        The caller is given what is returned.
        """

    @replace("get")
    def global_config_get_match(self, global_config: GlobalConfig, get: Any) -> Any:
        """When the values that match a pattern have been read.

        The caller is given what is returned.
        """

    @notify
    def global_config_start(self, global_config: GlobalConfig) -> None:
        """When a worker process has opened the global config, after `storage_start`."""

    @notify
    def global_config_stop(self, global_config: GlobalConfig) -> None:
        """When a worker process is about to close the global config, before `storage_stop`."""

    @notify
    def global_config_set_status(self, global_config: GlobalConfig) -> None:
        """With each beat of a worker: when it is about to report what it runs."""
