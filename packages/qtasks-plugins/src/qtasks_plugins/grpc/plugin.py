"""The plugin `grpc`: brings the command `qtasks grpc`, and the gateway inside a worker."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtasks.errors import ConfigError
from qtasks.hooks import PLUGIN_API_VERSION, Plugin, hookimpl

if TYPE_CHECKING:
    from qtasks.app.application import Application
    from qtasks.worker.worker import Worker

    from qtasks_plugins.grpc.server import Server

ADDRESS = "127.0.0.1:50051"

GRACE_S = 2.0
"""How long calls under way may go on when a worker stops."""

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:]+):([0-9]{1,5})")


class GatewayCommand(Plugin):
    """Makes `qtasks grpc` a command."""

    QTASKS_PLUGIN_API = PLUGIN_API_VERSION

    @hookimpl
    def register_commands(self, register: Callable[..., None]) -> None:
        """Name the command."""
        register("grpc", "qtasks_plugins.grpc.command:grpc", help="Let programs add and read tasks over gRPC.")


class AsyncgRPCPlugin(Plugin):
    """Serves the gateway in each worker of an application, in threads beside the tasks.

    Args:
        address: `HOST:PORT`. Beyond the loopback interface a token is required.
        token: what clients must send as metadata, `authorization: Bearer TOKEN`; None asks for none.
        credentials: of `grpc.ssl_server_credentials`; None is without TLS.

    Raises:
        ConfigError: the address is none, or needs a token; or grpcio is not installed.
    """

    name = "gateway"

    def __init__(self, address: str = ADDRESS, *, token: str | None = None, credentials: Any = None) -> None:
        check(address, token)
        self._address = address
        self._token = token
        self._credentials = credentials
        self._server: Server | None = None

    @hookimpl
    def worker_start(self, worker: Worker) -> None:
        """Listen; worker processes of one application share the port."""
        self._server = serve(
            worker.runtime.app, self._address, token=self._token, credentials=self._credentials, alone=False
        )

    @hookimpl
    async def worker_stop(self) -> None:
        """End, after the worker has."""
        import asyncio

        if self._server is not None:
            await asyncio.to_thread(self._server.stop, GRACE_S)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._address}>"


SyncgRPCPlugin = AsyncgRPCPlugin
"""The same: a gateway has threads of its own, whatever face the application has."""


def serve(app: Application, address: str, **options: Any) -> Server:
    """Start a gateway for an application; the options are those of `Server`."""
    from qtasks_plugins.grpc.server import Server

    server = Server(app, address, **options)
    server.start()
    return server


def check(address: str, token: str | None) -> None:
    """Refuse an address that anybody could reach without a token, and a token that can be guessed.

    Raises:
        ConfigError: so it is; or grpcio is not installed.
    """
    if not all(importlib.util.find_spec(name) for name in ("grpc", "google", "google.protobuf")):
        raise ConfigError("The gateway needs grpcio and protobuf.", 'pip install "qtasks-plugins[grpc]"')
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2]) > 65535:
        raise ConfigError(f"The gateway listens on HOST:PORT, found {address!r}.", f"Write {ADDRESS} or [::1]:50051.")
    if token is None and not _is_loopback(match[1].strip("[]")):
        raise ConfigError(
            f"Everybody who reaches {address} could add tasks.",
            "Give a token, in QTASKS_GRPC_TOKEN or token=, or listen on 127.0.0.1.",
        )
    if token is not None and not re.fullmatch(r"[!-~]{16,}", token):
        raise ConfigError(
            "The token of the gateway has 16 ASCII characters or more, and no blanks.",
            'Make one: python -c "import secrets; print(secrets.token_urlsafe())"',
        )


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
