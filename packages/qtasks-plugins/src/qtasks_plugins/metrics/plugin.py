"""The plugin `metrics`: brings the command `qtasks metrics`. Workers and producers have nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable

from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl


class MetricsCommand(Plugin):
    """Makes `qtasks metrics` a command."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION

    @hookimpl
    def register_commands(self, register: Callable[..., None]) -> None:
        """Name the command."""
        register("metrics", "qtasks_plugins.metrics.command:metrics", help="Serve the metrics of an application.")
