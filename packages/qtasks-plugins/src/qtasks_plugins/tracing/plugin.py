"""The plugin `tracing`: asks whether an application is to be traced, and hangs the spans on its hooks.

OpenTelemetry is imported when somebody asks for traces. How the spans look is in `spans.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from qtasks.errors import ConfigError
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from qtasks import QueueConfig
    from qtasks.executor.executor import TaskExecutor
    from qtasks.message import TaskMessage


class TracingPlugin(Plugin):
    """Traces the tasks of an application.

    Args:
        tracer_provider: where spans go; None is the provider of the process (`opentelemetry.trace`), also one that is
            set later.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    name = "traces"

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        try:
            from qtasks_plugins.tracing.spans import Spans
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"Tracing needs OpenTelemetry ({error}).", 'pip install "qtasks-plugins[otel]"'
            ) from error
        self._spans = Spans(tracer_provider)

    @hookimpl(trylast=True)
    def broker_add_before(self, model: TaskMessage) -> TaskMessage:
        """Send the context of a new span along with a message that every other plugin has left as it will be."""
        return self._spans.created(model)

    @hookimpl(tryfirst=True)  # the span holds what other plugins do around a run
    def register_arounds(self, register: Callable[..., None]) -> None:
        """Have the runs of every task led through a span."""
        register(self._run)

    async def _run(self, call_next: Callable[[], Awaitable[Any]], ctx: TaskExecutor) -> Any:
        with self._spans.running(ctx):
            return await call_next()

    @hookimpl
    def worker_start(self) -> None:
        """Have the log of `qtasks run` tell the traces of its records."""
        from qtasks.app.logs import add_task

        for handler in logging.getLogger().handlers:
            if add_task in handler.filters and self._spans.add_trace not in handler.filters:
                handler.addFilter(self._spans.add_trace)


class TracingByConfig(Plugin):
    """Adds a `TracingPlugin` to each application for which `QTASKS_TRACING`, or else `config.tracing`, says so."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION

    @hookimpl
    def register_plugins(self, register: Callable[..., None], config: QueueConfig) -> None:
        """Ask the environment first, as for the settings that are declared."""
        found = os.environ.get("QTASKS_TRACING", config.extra.get("tracing", False))
        try:
            wanted = msgspec.convert(found, bool, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"QTASKS_TRACING (or config.tracing) is {found!r}; 1 or 0 was expected.") from error
        if wanted:
            register(TracingPlugin())
