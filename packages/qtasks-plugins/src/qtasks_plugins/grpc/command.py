"""`qtasks grpc`: the gateway as a process of its own."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import click
from qtasks.app import logs
from qtasks.cli.target import Target, app_option

from qtasks_plugins.grpc.plugin import ADDRESS, check, serve

GRACE_S = 5.0
"""How long calls under way may go on when the gateway is told to stop."""

_key_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--listen", "address", metavar="HOST:PORT", default=ADDRESS, show_default=True, help="Where it listens.")
@click.option("--tls-cert", type=_key_file, help="The server's certificate, PEM; with --tls-key.")
@click.option("--tls-key", type=_key_file, help="Its private key, PEM.")
@app_option
@click.pass_obj
def grpc(target: Target, /, address: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Add and read tasks over gRPC, until SIGTERM or Ctrl-C.

    Only tasks of the application can be added. Clients send the token of the variable QTASKS_GRPC_TOKEN, if it is set;
    beyond the loopback interface it must be.
    """
    token = os.environ.get("QTASKS_GRPC_TOKEN") or None
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together.")
    check(address, token)
    credentials = None
    if tls_cert is not None and tls_key is not None:
        from grpc import ssl_server_credentials

        credentials = ssl_server_credentials([(tls_key.read_bytes(), tls_cert.read_bytes())])
    logs.configure()
    app = target.load()
    logs.configure(config=app.config)
    app.runtime.run_blocking(lambda link: link.open())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = serve(app, address, token=token, credentials=credentials)
    stop.wait()
    server.stop(GRACE_S)
    app.runtime.close_blocking()
