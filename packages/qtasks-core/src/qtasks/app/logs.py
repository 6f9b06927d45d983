"""How `qtasks run` logs, in the supervisor and in the worker processes alike. Nobody else configures logging."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Literal

import msgspec

from qtasks.codec import encode_fields
from qtasks.config import QueueConfig
from qtasks.executor.context import current_executor

Style = Literal["text", "json"]

EARLY_FORMAT = "%(levelname)s: %(message)s"
"""Of text lines as long as the application, whose config has the format, is not known."""

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest was given as `extra`."""


def configure(style: Style = "text", level: str | None = None, config: QueueConfig | None = None) -> None:
    """Send the log to stderr. Call it first, and again when the application is known.

    An application that puts handlers of its own in the place of ours keeps them.

    Args:
        style: `text`, or `json` for one object per line.
        level: the name of the lowest level to show; None goes by the config.
        config: the application's, which has level and format.
    """
    root = logging.getLogger()
    if config is None:
        root.addHandler(_Stderr())
    shown = logging.INFO if config is None else config.logs_default_level_server
    root.setLevel(level.upper() if level is not None else shown)
    for handler in root.handlers:
        if isinstance(handler, _Stderr):
            text = EARLY_FORMAT if config is None else config.logs_format
            handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(text))


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Our handler; its records know their task."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(add_task)


def add_task(record: logging.LogRecord) -> bool:
    """Give a record `task_id`, `task_name` and `attempt` of the task that runs here, empty when none does."""
    executor = current_executor.get()
    if executor is None:
        record.task_id, record.task_name, record.attempt = "", "", 0
    else:
        record.task_id, record.task_name = executor.task_broker.id, executor.task_broker.task
        record.attempt = executor.delivery.attempt
    return True


class TextFormatter(logging.Formatter):
    """Lines for people; the task comes last, unless the format has a place for it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without a traceback."""
        line = super().formatMessage(record)
        task_id = getattr(record, "task_id", "")
        if not task_id or "%(task_id)" in (self._fmt or ""):
            return line
        first, newline, more = line.partition("\n")
        return f"{first} [{record.task_name} {task_id} attempt {record.attempt}]{newline}{more}"  # type: ignore[attr-defined]


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with all that was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        if not extra.get("task_id"):
            for name in ("task_id", "task_name", "attempt"):
                extra.pop(name, None)
        entry.update(extra)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = record.stack_info
        try:
            entry = msgspec.to_builtins(entry, str_keys=True, enc_hook=repr)
        except TypeError:  # a dict whose keys JSON does not know
            entry = {name: str(value) for name, value in entry.items()}
        return encode_fields(entry).decode()
