"""`QueueConfig`: the settings of one application, with the environment above the program.

A setting is looked up in the environment (`QTASKS_<FIELD>`) first, then in what the program gave, then
here. Names that are not declared are allowed: they are for plugins, and subscribers hear of them. One that looks
like a slip of a declared one brings a warning.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import attrs
import msgspec

from qtasks.errors import ConfigError, did_you_mean
from qtasks.types import TaskStatus

Subscriber = Callable[["QueueConfig", str, Any], None]
"""Called with the config, the name and the new value, after each change."""

RESERVED = frozenset({"APP", "URL", "PLUGINS", "PLUGINS_DISABLE", "PLUGINS_STRICT", "CRASHPOINT", "REQUIRE"})
"""Variables behind the prefix that are no settings."""


@attrs.define(slots=False, kw_only=True, init=False, on_setattr=attrs.setters.NO_OP)
class QueueConfig:
    """The settings of one application. Times are seconds unless the name says otherwise.

    Args:
        max_tasks_process: slots per process: how many tasks of a kind run at a time.
        running_older_tasks: accepted for old programs; tasks of dead workers always run again.
        delete_finished_tasks: accepted for old programs; what has ended is removed by its time.
        task_default_priority: for tasks that state none; lower runs first.
        task_default_decode: applied to the result of tasks that state no `decode`.
        logs_default_level_server: level of the worker's log, as in `logging`.
        logs_default_level_client: accepted for old programs; a program configures its own logging.
        logs_format: format of a line of the worker's log.
        result_time_interval: accepted for old programs; results are pushed.
        result_statuses_end: accepted for old programs; a wait ends when the task has ended.
        global_config_status_ttl: accepted for old programs; workers report to the storage.
        global_config_status_set_periodic: accepted for old programs, likewise.
        environ_prefix: what the variables begin with.
        result_ttl: how long a success is kept; 0 keeps none.
        failure_ttl: how long every other ended task is kept, dead letters apart.
        max_payload_bytes: how long an encoded message or result may be.
        lease: how long a worker's claim on its tasks outlives its last beat.
        grace: how long running tasks may go on after SIGTERM.
        call_timeout: how long one call of the broker or storage may take.
        hook_timeout: how long one asynchronous hook implementation may take.
        stall_limit: a process whose event loop made no step for so long is killed; 0 is never.
    """

    max_tasks_process: int = 10
    running_older_tasks: bool = True
    delete_finished_tasks: bool = True
    task_default_priority: int = 0
    task_default_decode: Callable[[Any], Any] | None = None
    logs_default_level_server: int = logging.INFO
    logs_default_level_client: int = logging.INFO
    logs_format: str = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    result_time_interval: float = 0.1
    result_statuses_end: list[str] = attrs.Factory(lambda: [s.value for s in TaskStatus if s.terminal])
    global_config_status_ttl: float = 20
    global_config_status_set_periodic: float = 17
    environ_prefix: str = "QTASKS_"
    result_ttl: float = 86_400
    failure_ttl: float = 604_800
    max_payload_bytes: int = 1024 * 1024
    lease: float = 15
    grace: float = 25
    call_timeout: float = 5
    hook_timeout: float = 5
    stall_limit: float = 0
    _subscribers: list[Subscriber] = attrs.field(factory=list, init=False, repr=False, eq=False)
    extra: dict[str, Any] = attrs.field(factory=dict, init=False)

    def __init__(self, **values: Any) -> None:
        declared = {a.name for a in attrs.fields(type(self)) if a.init}
        self.__attrs_init__(**{k: v for k, v in values.items() if k in declared})
        for name, value in values.items():
            if name not in declared:
                self._keep(name, value)
        self._read_environment(os.environ)
        self._check()

    def __getattr__(self, name: str) -> Any:
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        raise AttributeError(f"QueueConfig has no setting {name!r}; pass it to QueueConfig({name}=...) first.")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIELD_TYPES or name in {"extra", "_subscribers"}:
            object.__setattr__(self, name, value)
        else:
            self._keep(name, value)
        for callback in self.__dict__.get("_subscribers", ()):
            callback(self, name, value)

    def _keep(self, name: str, value: Any) -> None:
        """Keep a setting that is not declared."""
        if name not in self.extra and (hint := did_you_mean(name, _FIELD_TYPES, least=0.8)):
            warnings.warn(f"QueueConfig has no setting {name!r} of its own. {hint}", stacklevel=3)
        self.extra[name] = value

    def subscribe(self, callback: Subscriber) -> None:
        """Have `callback(config, key, value)` called after every change of a setting."""
        self._subscribers.append(callback)

    def _read_environment(self, environ: Mapping[str, str]) -> None:
        for name, type_ in _FIELD_TYPES.items():
            variable = self.environ_prefix + name.upper()
            text = environ.get(variable)
            if text is None or name in {"environ_prefix", "task_default_decode"}:
                continue
            try:
                value = msgspec.convert(text.split(",") if type_ == list[str] else text, type_, strict=False)
            except msgspec.ValidationError as error:
                raise ConfigError(
                    f"The environment variable {variable} has the value {text!r}: {error}.",
                    f"Set it to a value of type {getattr(type_, '__name__', type_)}, or unset it.",
                ) from error
            self.__dict__[name] = value

    def _check(self) -> None:
        for name, type_ in _FIELD_TYPES.items():
            if type_ in {int, float} and not _is_number(getattr(self, name), type_):
                kind = "an integer" if type_ is int else "a number"
                raise ConfigError(f"QueueConfig: {name} must be {kind}, found {getattr(self, name)!r}.")
        for name in ("max_tasks_process", "lease", "call_timeout", "hook_timeout", "max_payload_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"QueueConfig: {name} must be above 0, found {getattr(self, name)!r}.")
        for name in ("result_ttl", "failure_ttl", "grace", "stall_limit"):
            if getattr(self, name) < 0:
                raise ConfigError(f"QueueConfig: {name} must not be negative, found {getattr(self, name)!r}.")


def _is_number(value: object, type_: type) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and (type_ is float or isinstance(value, int))


_FIELD_TYPES: dict[str, Any] = {
    name: type_ for name, type_ in get_type_hints(QueueConfig).items() if not name.startswith("_") and name != "extra"
}
