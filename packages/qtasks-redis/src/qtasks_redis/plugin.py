"""What the entry point `redis` registers: dotted paths by scheme. It imports no client."""

from __future__ import annotations

from collections.abc import Callable

from qtasks.hooks import PLUGIN_API_VERSION, hookimpl

QTASKS_PLUGIN_API = PLUGIN_API_VERSION

SCHEMES = (
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)


@hookimpl
def register_brokers(register: Callable[..., None]) -> None:
    """One broker for all schemes."""
    for scheme in SCHEMES:
        register(scheme, "qtasks_redis.broker:RedisBroker")


@hookimpl
def register_storages(register: Callable[..., None]) -> None:
    """One storage for all schemes."""
    for scheme in SCHEMES:
        register(scheme, "qtasks_redis.storage:RedisStorage")


@hookimpl
def register_global_configs(register: Callable[..., None]) -> None:
    """One global config for all schemes."""
    for scheme in SCHEMES:
        register(scheme, "qtasks_redis.global_config:RedisGlobalConfig")
