"""Traces of tasks for OpenTelemetry: one trace from the call that added a task to the end of its run."""

from qtasks_plugins.tracing.plugin import TracingPlugin

__all__ = ["TracingPlugin"]
