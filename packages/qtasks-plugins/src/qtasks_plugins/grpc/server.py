"""The gateway as a server: where it listens, and how it begins and ends. What it answers is in `service.py`."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
from qtasks.errors import ConfigError

from qtasks_plugins.grpc.service import Service

if TYPE_CHECKING:
    from qtasks.app.application import Application

THREADS = 32
"""How many calls are answered at a time, those included that wait; as many more wait for their turn."""

ENVELOPE_BYTES = 64 * 1024
"""What a request may have beside its arguments."""

_log = logging.getLogger("qtasks.grpc")


class Server:
    """A gRPC server for one application. Its calls run in threads of its own, over the blocking face.

    Args:
        app: the application.
        address: `HOST:PORT`; port 0 takes a free one.
        token: what clients must send; None asks for none.
        credentials: of `grpc.ssl_server_credentials`; None is without TLS.
        alone: True refuses a port that another process of this user serves already.
    """

    def __init__(
        self, app: Application, address: str, *, token: str | None = None, credentials: Any = None, alone: bool = True
    ) -> None:
        options = [
            ("grpc.max_receive_message_length", app.config.max_payload_bytes + ENVELOPE_BYTES),
            ("grpc.so_reuseport", int(not alone)),
        ]
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="qtasks-grpc")
        self._server = grpc.server(pool, options=options, maximum_concurrent_rpcs=2 * THREADS)
        self._server.add_generic_rpc_handlers((Service(app, token).handler(),))
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            pool.shutdown()
            raise ConfigError(f"The gateway cannot listen on {address}: {error}", "Is the port taken?") from error
        self.address = f"{address.rpartition(':')[0]}:{port}"
        self._app = app
        self._pool = pool

    def start(self) -> None:
        """Answer calls from now on."""
        self._server.start()
        app = self._app
        _log.info("gRPC on %s: %d tasks of %s in %s.", self.address, len(app.tasks), app.name, app.broker.url)

    def stop(self, grace_s: float) -> None:
        """Take no more calls, give those under way `grace_s` seconds, end them, and wait for that."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown()
