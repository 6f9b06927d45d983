"""What the entry point `dirqueue` registers: a dotted path by scheme. It imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable

from qtasks import hookimpl

QTASKS_PLUGIN_API = 1


@hookimpl
def register_brokers(register: Callable[..., None]) -> None:
    """`dirqueue:///path` is served by `DirectoryBroker`."""
    register("dirqueue", "qtasks_dirqueue.broker:DirectoryBroker")
