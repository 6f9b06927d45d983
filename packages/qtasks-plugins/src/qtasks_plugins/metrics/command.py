"""`qtasks metrics`: serves the metrics of one application over HTTP until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click
from qtasks.cli.target import Target, target_options
from qtasks.errors import ConfigError, QTasksError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from qtasks.app.application import Application

PATIENCE_S = 10
"""How long a client may take to say what it wants: one is served at a time."""


@click.command()
@click.option("--host", envvar="QTASKS_METRICS_HOST", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    envvar="QTASKS_METRICS_PORT",
    default=9464,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="0 takes any that is free.",
)
@target_options
@click.pass_obj
def metrics(target: Target, host: str, port: int) -> None:
    """Serve the metrics of an application to Prometheus, until SIGTERM or Ctrl-C.

    They are those of all its workers, wherever they run: have one exporter scraped for each application.
    """
    try:
        server = exporter(target.connect(), host, port)
    except OSError as error:
        raise ConfigError(f"Nothing can listen on {host}:{port}: {error}.", "Take another --port or --host.") from error
    for number in (signal.SIGTERM, signal.SIGINT):  # in a thread, because it waits for what is being answered
        signal.signal(number, lambda _number, _frame: threading.Thread(target=server.shutdown).start())
    click.echo(f"Metrics are at http://{host}:{server.server_port}/metrics")
    with server:
        server.serve_forever()


def exporter(app: Application, host: str, port: int) -> WSGIServer:
    """Make the server, which already listens.

    Raises:
        ConfigError: prometheus-client is not installed.
        OSError: the address is taken, or none of this machine.
    """
    try:
        from qtasks_plugins.metrics.collector import MetricsCollector
    except ImportError as error:
        said, _, mend = str(error).partition("\n")
        raise ConfigError(said, mend) from error
    from prometheus_client import CollectorRegistry, make_wsgi_app

    registry = CollectorRegistry()
    registry.register(MetricsCollector(app))
    tell = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            told: Iterable[bytes] = tell(environ, start_response)
        except QTasksError as error:  # then the scrape has failed, and Prometheus says `up 0`
            start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            told = [f"{error}\n".encode()]
        return told

    return make_server(host, port, answer, handler_class=_Quiet)


class _Quiet(WSGIRequestHandler):
    """Writes no line for each scrape."""

    timeout = PATIENCE_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        """Say nothing."""
