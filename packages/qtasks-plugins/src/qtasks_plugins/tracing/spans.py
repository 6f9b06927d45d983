"""The spans of a task, by the semantic conventions for messaging: one for its creation, one for each attempt.

They carry messages, no arguments: those may be anybody's secrets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind, StatusCode
from qtasks.errors import TaskCancelError, TimeLimitExceeded

from qtasks_plugins._version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, TracerProvider
    from qtasks.executor.executor import TaskExecutor
    from qtasks.message import TaskMessage

SCHEMA_URL = "https://opentelemetry.io/schemas/1.40.0"
"""The version of the conventions that names and attributes follow."""


class Spans:
    """Makes the spans of one application.

    Args:
        provider: where they go; None is the provider of the process.
    """

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("qtasks", __version__, provider, SCHEMA_URL)

    def created(self, message: TaskMessage) -> TaskMessage:
        """Make the span of a task's creation, and the message that carries its context.

        A context that the caller has put into the headers stays, without a span of ours.
        """
        if any(field in message.headers for field in propagate.get_global_textmap().fields):
            return message
        attributes = {**_attributes(message), **_operation("add_task", "create")}
        name = f"add_task {message.queue}"
        span = self._tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        headers = dict(message.headers)
        propagate.inject(headers, _within(span, context.get_current()))
        span.end()
        return replace(message, headers=headers)

    @contextmanager
    def running(self, executor: TaskExecutor) -> Iterator[None]:
        """The span of one attempt, current meanwhile; its parent is the creation of the task."""
        message = executor.task_broker
        creation, creator = _creation(message)
        span = self._tracer.start_span(
            f"run {message.queue}",
            creation,
            SpanKind.CONSUMER,
            {
                **_attributes(message),
                **_operation("run", "process"),
                "messaging.client.id": executor.run.worker.name,
                "qtasks.attempt": executor.delivery.attempt,
            },
            [Link(creator)] if creator.is_valid else [],
        )
        token = context.attach(_within(span, creation))
        try:
            yield
        except BaseException as raised:
            if (error := _told(raised, executor)) is not None:
                span.record_exception(error)
                span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
                span.set_attribute("error.type", type(error).__qualname__)
            raise
        finally:
            context.detach(token)
            span.end()

    def add_trace(self, record: logging.LogRecord) -> bool:
        """Give a record `trace_id` and `span_id`; after the end of a run those of the task's creation."""
        from qtasks.executor.context import current_executor

        found = trace.get_current_span().get_span_context()
        if not found.is_valid and (executor := current_executor.get()) is not None:
            _, found = _creation(executor.task_broker)
        if found.is_valid:
            record.trace_id, record.span_id = trace.format_trace_id(found.trace_id), trace.format_span_id(found.span_id)
        return True


def _creation(message: TaskMessage) -> tuple[Context, SpanContext]:
    """The context in which a task was added: whole, and its span."""
    creation = propagate.extract({name: text for name, text in message.headers.items() if isinstance(text, str)})
    return creation, trace.get_current_span(creation).get_span_context()


def _within(span: Span, parent: Context) -> Context:
    """The context of a span; that of its parent where there is no SDK, which makes a span of nothing then."""
    return trace.set_span_in_context(span, parent) if span.get_span_context().is_valid else parent


def _attributes(message: TaskMessage) -> dict[str, str]:
    return {
        "messaging.system": "qtasks",
        "messaging.destination.name": message.queue,
        "messaging.message.id": message.id,
        "qtasks.task": message.task,
    }


def _operation(name: str, kind: str) -> dict[str, str]:
    return {"messaging.operation.name": name, "messaging.operation.type": kind}


def _told(raised: BaseException, executor: TaskExecutor) -> BaseException | None:
    """What ended an attempt; None where somebody has asked for it: who cancels, and a worker that stops."""
    from asyncio import CancelledError

    from qtasks.executor.execution import Interrupt
    from qtasks.executor.limits import ThreadTimeLimitExceeded

    interrupted = executor.run.interrupted if isinstance(raised, CancelledError) else None
    if interrupted is Interrupt.TIME or isinstance(raised, ThreadTimeLimitExceeded):
        return TimeLimitExceeded(f"{executor.task_func.options.max_time:g} seconds")
    return None if interrupted is not None or isinstance(raised, TaskCancelError) else raised
