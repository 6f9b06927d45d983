"""`SigningPlugin`: signs what an application adds, and has its workers refuse what nobody with a key has added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtasks.errors import ConfigError
from qtasks.hooks import Plugin, hookimpl
from qtasks.message import Envelope
from qtasks.types import US_PER_S

from qtasks_plugins.signing.keyring import Keyring, SignatureError

if TYPE_CHECKING:
    from qtasks.worker.worker import Worker

Mode = Literal["require", "accept"]

CLOCKS_APART_S = 60.0
"""How far the clocks of a worker and of the broker may be apart: the broker ends what has expired, within that."""


class SigningPlugin(Plugin):
    """Signs each message that the application adds, and checks each one before a worker uses anything in it.

    A message that is refused is a dead letter of the type `signature`; its task never ran.

    Args:
        keys: `NAME:HEX`, with commas between several: the first key signs, all are accepted. A key has 32 bytes or
            more.
        mode: "require" refuses what is not signed; "accept" runs it, for the time in which not all producers have keys.

    Raises:
        ConfigError: keys or mode cannot be used; the message shows no key.
    """

    name = "signatures"

    def __init__(self, keys: str, mode: Mode = "require") -> None:
        if mode not in {"require", "accept"}:
            raise ConfigError(f"The mode of signing is 'require' or 'accept', found {mode!r}.")
        self.mode = mode
        self.keyring = Keyring(keys)

    @hookimpl(trylast=True)
    def broker_write_message(self, model: Envelope) -> Envelope:
        """Sign what every other plugin has left of a message."""
        return self.keyring.sign(model)

    @hookimpl(tryfirst=True)
    def broker_read_message(self, worker: Worker | None, model: Envelope) -> None:
        """Check a message before any other plugin reads it. A replay takes it to wherever it was signed for."""
        if model.message.signature is None:
            if self.mode == "require":
                raise SignatureError("it is not signed")
            return
        self.keyring.check(model)
        if worker is not None:
            _check_place(worker, model)

    def __repr__(self) -> str:
        return f"<SigningPlugin {self.mode} {self.keyring!r}>"


def _check_place(worker: Worker, envelope: Envelope) -> None:
    """Refuse what was signed for another place or an earlier time: somebody has taken it there."""
    message = envelope.message
    if message.namespace != worker.runtime.name:
        raise SignatureError(f"it was signed for the application {message.namespace}, not for {worker.runtime.name}")
    if message.queue not in worker.queues:
        raise SignatureError(f"it was signed for the queue {message.queue}, which this worker does not serve")
    late_us = 0 if message.expires is None else worker.runtime.clock.wall_us() - message.expires
    if late_us > CLOCKS_APART_S * US_PER_S:
        raise SignatureError(f"it expired {late_us // US_PER_S} s ago, and the broker did not know it")
