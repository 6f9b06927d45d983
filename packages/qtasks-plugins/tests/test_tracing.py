"""Traces: one from the call that adds a task to the end of its run, by the conventions, and only where asked for."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from qtasks import QueueConfig, QueueTasks, TaskStatus, hookimpl
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError
from qtasks.message import new_id
from qtasks.plugins import TracingPlugin
from qtasks.testing import running

PATIENCE_S = 20.0


class Traced:
    """An application whose spans are kept in memory."""

    def __init__(self, url):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the caller")
        self.app = QueueTasks("traced", url)
        self.app.add_plugin(TracingPlugin(self.provider))

    def run(self, function, *args, **options):
        """The ended task of a function."""
        task = self.app.task("work", **options)(function)
        with running(self.app):
            return task.add_task(*args, timeout=PATIENCE_S)

    def spans(self, name):
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def traced():
    traced = Traced(f"memory://{new_id()}")
    yield traced
    traced.app.close()


def kinds():
    """A task of each kind that tells the trace it runs in."""

    def here():
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"

    def plain():
        return here()

    async def awaited():
        await asyncio.sleep(0)
        return here()

    def generator():
        yield here()

    async def async_generator():
        await asyncio.sleep(0)
        yield here()

    return [plain, awaited, generator, async_generator]


@pytest.mark.parametrize("function", kinds(), ids=lambda function: function.__name__)
@pytest.mark.parametrize("led_by", ["as it is", "the loop"])
def test_the_run_of_each_kind_of_task_is_in_the_trace_of_its_caller(traced, function, led_by):
    class Awaiting:
        @hookimpl
        async def task_executor_before_execute(self):
            await asyncio.sleep(0)

    if led_by == "the loop":
        traced.app.add_plugin(Awaiting())
    with traced.tracer.start_as_current_span("request") as request:
        result = traced.run(function).result()
    trace_id = request.get_span_context().trace_id
    assert (result[0] if isinstance(result, list) else result) == f"{trace_id:032x}"
    (created,), (ran,) = traced.spans("add_task default"), traced.spans("run default")
    assert created.parent == request.get_span_context()
    assert ran.parent.span_id == created.context.span_id
    assert [link.context.span_id for link in ran.links] == [created.context.span_id]


def test_spans_follow_the_conventions_for_messaging(traced):
    task = traced.run(lambda: None)
    (created,), (ran,) = traced.spans("add_task default"), traced.spans("run default")
    both = {
        "messaging.system": "qtasks",
        "messaging.destination.name": "default",
        "messaging.message.id": task.id,
        "qtasks.task": "work",
    }
    assert created.attributes == {
        **both,
        "messaging.operation.name": "add_task",
        "messaging.operation.type": "create",
    }
    assert ran.attributes == {
        **both,
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.client.id": task.record.worker,
        "qtasks.attempt": 0,
    }
    assert (created.kind, ran.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert ran.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.40.0"


@pytest.mark.parametrize("face", ["def", "async def"])
def test_each_attempt_is_a_span_with_its_error(traced, in_face, face):
    def fail():
        raise LookupError("no such order")

    assert traced.run(in_face(face, fail), retry=1, retry_delay=0).status is TaskStatus.ERROR
    first, second = traced.spans("run default")
    assert [first.attributes["qtasks.attempt"], second.attributes["qtasks.attempt"]] == [0, 1]
    assert first.parent == second.parent
    for span in (first, second):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "LookupError: no such order"
        assert span.attributes["error.type"] == "LookupError"
        assert [event.attributes["exception.message"] for event in span.events] == ["no such order"]


def test_a_run_over_its_time_is_an_error_and_a_cancelled_one_is_none(traced):
    async def late():
        await asyncio.Event().wait()

    def cancelled(self):
        self.ctx.cancel("not needed")

    assert "Time limit exceeded" in traced.run(late, max_time=0.05).error
    cancelling = traced.app.task("cancelled", echo=True)(cancelled)
    with running(traced.app):
        assert cancelling.add_task(timeout=PATIENCE_S).status is TaskStatus.CANCEL
    over_time, cancelled = traced.spans("run default")
    assert over_time.attributes["error.type"] == "TimeLimitExceeded"
    assert cancelled.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("kind", ["def", "async def", "generator"])
def test_a_task_that_a_task_adds_continues_the_trace(traced, kind):
    child = traced.app.task("child")(lambda: None)

    def plain():
        return child.add_task().id

    def generator():
        yield child.add_task().id

    if kind == "async def":
        other = AsyncQueueTasks("traced", traced.app.broker.url)
        other.add_plugin(TracingPlugin(traced.provider))

        async def function():
            return (await other.add_task("child")).id
    else:
        function = generator if kind == "generator" else plain
    traced.run(function)
    (outer,) = [span for span in traced.spans("run default") if span.attributes["qtasks.task"] == "work"]
    (added,) = [span for span in traced.spans("add_task default") if span.attributes["qtasks.task"] == "child"]
    assert added.parent.span_id == outer.context.span_id


def test_baggage_comes_along(traced):
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        assert traced.run(lambda: baggage.get_baggage("tenant")).result() == "acme"
    finally:
        context.detach(token)


def test_each_task_of_a_bulk_has_a_creation_of_its_own(traced):
    task = traced.app.task("work")(lambda: None)
    added = traced.app.add_tasks([task(), task()])
    assert {span.attributes["messaging.message.id"] for span in traced.spans("add_task default")} == {
        one.id for one in added
    }
    assert len({one.message.headers["traceparent"] for one in added}) == 2


def test_a_context_among_the_headers_is_the_creation(traced):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task = traced.app.task("work")(lambda: None)
    with running(traced.app):
        task.options(headers={"traceparent": parent}, timeout=PATIENCE_S).add_task()
    assert traced.spans("add_task default") == []
    assert f"{traced.spans('run default')[0].context.trace_id:032x}" == parent[3:35]


def test_headers_that_are_no_context_begin_a_new_trace(traced):
    task = traced.app.task("work")(lambda: None)
    with running(traced.app):
        for strange in (5, ["00"], "nonsense"):
            assert task.options(headers={"traceparent": strange}, timeout=PATIENCE_S).add_task().result() is None
    assert [span.parent for span in traced.spans("run default")] == [None] * 3


def traces_plugins(**config):
    app = QueueTasks(broker_url="memory://", config=QueueConfig(**config))
    return [info for info in app.plugins if info.name == "traces"]


def test_tracing_is_off_unless_the_environment_or_the_config_asks_for_it(monkeypatch):
    monkeypatch.delenv("QTASKS_TRACING", raising=False)
    assert traces_plugins() == []
    assert traces_plugins(tracing=True)[0].distribution == "qtasks-plugins"
    monkeypatch.setenv("QTASKS_TRACING", "1")
    assert traces_plugins()
    monkeypatch.setenv("QTASKS_TRACING", "0")
    assert traces_plugins(tracing=True) == []


def test_a_setting_that_is_neither_on_nor_off_is_refused(monkeypatch):
    monkeypatch.setenv("QTASKS_TRACING", "sometimes")
    with pytest.raises(ConfigError, match=r"QTASKS_TRACING .* is 'sometimes'"):
        traces_plugins()


def test_without_opentelemetry_the_error_is_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "qtasks_plugins.tracing.spans", raising=False)
    with pytest.raises(ConfigError, match=r"(?s)Tracing needs OpenTelemetry.*pip install \"qtasks-plugins\[otel\]\""):
        TracingPlugin()


def test_without_the_sdk_the_context_of_the_caller_is_passed_on():
    app = QueueTasks(broker_url=f"memory://{new_id()}")
    app.add_plugin(TracingPlugin())
    parent = trace.SpanContext(7, 8, is_remote=False, trace_flags=trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    try:
        task = app.task("work")(lambda: f"{trace.get_current_span().get_span_context().trace_id:x}")
        with running(app):
            assert task.add_task(timeout=PATIENCE_S).result() == "7"
    finally:
        context.detach(token)


APP = """
import logging
import os

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from qtasks import QueueTasks

spans = open("spans.jsonl", "a")
provider = TracerProvider()
provider.add_span_processor(
    BatchSpanProcessor(ConsoleSpanExporter(out=spans, formatter=lambda span: span.to_json(indent=None) + os.linesep))
)
trace.set_tracer_provider(provider)
app = QueueTasks("traced", "sqlite:///queue.db")


@app.task
def work(fails):
    logging.getLogger("app").info("working")
    if fails:
        raise LookupError("no such order")
"""


def test_worker_processes_trace_and_log_the_trace(tmp_path):
    tmp_path.joinpath("app.py").write_text(APP)
    qtasks = str(Path(sys.executable).with_name("qtasks"))
    environment = {**os.environ, "QTASKS_TRACING": "1", "QTASKS_APP": "app:app"}
    program = "from app import work; print(work.add_task(False).id, work.add_task(True).id)"

    def call(*command):
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, check=True, text=True, timeout=60
        )

    ids = call(sys.executable, "-c", program).stdout.split()
    log = call(qtasks, "run", "-p", "2", "--burst", "--log-format", "json").stderr
    spans = [json.loads(line) for line in tmp_path.joinpath("spans.jsonl").read_text().splitlines()]
    ran = {span["attributes"]["messaging.message.id"]: span for span in spans if span["name"] == "run default"}
    created = {span["attributes"]["messaging.message.id"]: span for span in spans if span["name"] != "run default"}
    records = [json.loads(line) for line in log.splitlines()]
    for task_id in ids:
        assert ran[task_id]["parent_id"] == created[task_id]["context"]["span_id"]
        (record,) = [each for each in records if each.get("task_id") == task_id and each["message"] == "working"]
        assert f"0x{record['trace_id']}" == created[task_id]["context"]["trace_id"]
        assert f"0x{record['span_id']}" == ran[task_id]["context"]["span_id"]
    (failure,) = [each for each in records if each["level"] == "ERROR"]
    assert f"0x{failure['trace_id']}" == created[ids[1]]["context"]["trace_id"]
    assert "trace_id" not in next(each for each in records if "is ready" in each["message"])
