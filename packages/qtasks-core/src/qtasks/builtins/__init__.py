"""What the core brings itself, registered through the same door as everybody's plugins.

The entry point `core` of the group `qtasks` names this module. It registers dotted paths and imports no
backend.
"""

from __future__ import annotations

from collections.abc import Callable

from qtasks.hooks import PLUGIN_API_VERSION, hookimpl

QTASKS_PLUGIN_API = PLUGIN_API_VERSION


@hookimpl
def register_brokers(register: Callable[..., None]) -> None:
    """SQLite in a file, and memory for tests."""
    register("sqlite", "qtasks.backends.sqlite.broker:SqliteBroker")
    register("memory", "qtasks.backends.memory.broker:MemoryBroker")


@hookimpl
def register_storages(register: Callable[..., None]) -> None:
    """The same two."""
    register("sqlite", "qtasks.backends.sqlite.storage:SqliteStorage")
    register("memory", "qtasks.backends.memory.storage:MemoryStorage")


@hookimpl
def register_global_configs(register: Callable[..., None]) -> None:
    """The same two."""
    register("sqlite", "qtasks.backends.sqlite.global_config:SqliteGlobalConfig")
    register("memory", "qtasks.backends.memory.global_config:MemoryGlobalConfig")
