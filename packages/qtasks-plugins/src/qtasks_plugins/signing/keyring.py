"""Keys, and the signatures that they make: HMAC-SHA256 over the bytes of an envelope (`docs/reference/wire.md`).

When messages are signed and what becomes of those that are not is the business of `plugin.py`.
"""

from __future__ import annotations

import hmac
import re
from typing import ClassVar

import msgspec
from qtasks.codec import envelope_of
from qtasks.errors import ConfigError, MalformedMessageError
from qtasks.message import Envelope
from qtasks.types import NAME

KEY_BYTES = 32
"""The least length of a key: that of the digest, as RFC 2104 recommends."""

UNCOVERED = frozenset({"signature", "attempt", "due"})
"""What a signature says nothing of: itself, and what a broker may rewrite on the way."""

_PURPOSE = b"qtasks-signature-1\n"
"""Begins what is signed, so that a key that serves elsewhere, too, has never signed the same bytes there."""

_SIGNATURE = re.compile(r"([A-Za-z0-9_.-]{1,128}):([0-9a-f]{64})")

_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class SignatureError(MalformedMessageError):
    """A message is not signed, or by no key of ours, or is not what was signed."""

    reason: ClassVar[str] = "signature"


class Keyring:
    """Keys by name; the first one signs, all are accepted. Its representation shows the names only.

    Args:
        keys: `NAME:HEX`, with commas between several. Names are like those of queues, a key has 32 bytes or more.

    Raises:
        ConfigError: they are of another form. The message does not show them.
    """

    def __init__(self, keys: str) -> None:
        self._keys: dict[str, bytes] = {}
        for number, entry in enumerate(keys.split(","), 1):
            name, _, digits = entry.strip().partition(":")
            key = bytes.fromhex(digits) if re.fullmatch(r"([0-9a-fA-F]{2})*", digits) else b""
            if not NAME.fullmatch(name) or len(key) < KEY_BYTES or name in self._keys:
                raise ConfigError(
                    f"Signing key {number} is not NAME:HEX with a name of its own and {KEY_BYTES} bytes or more.",
                    'Make one: python -c "import secrets; print(secrets.token_hex(32))"',
                )
            self._keys[name] = key
        self.names = tuple(self._keys)

    def sign(self, envelope: Envelope) -> Envelope:
        """Return the envelope with a signature by the first key, in the place of any that it had."""
        name = self.names[0]
        return envelope_of(envelope.payload, signature=f"{name}:{self._digest(name, envelope.payload)}")

    def check(self, envelope: Envelope) -> None:
        """Return when a signature is right.

        Raises:
            SignatureError: it is not.
        """
        found = _SIGNATURE.fullmatch(envelope.message.signature or "")
        if found is None:
            raise SignatureError("its signature is not of the form NAME:DIGEST")
        name, digest = found.groups()
        if name not in self._keys:
            raise SignatureError(f"it is signed with the key {name!r}; accepted here: {', '.join(self.names)}")
        if not hmac.compare_digest(digest, self._digest(name, envelope.payload)):
            raise SignatureError(f"it is not what was signed with the key {name!r}, or that is another key here")

    def _digest(self, name: str, payload: bytes) -> str:
        fields = {field: raw for field, raw in _fields_of(payload).items() if field not in UNCOVERED}
        return hmac.digest(self._keys[name], _PURPOSE + name.encode() + b"\n" + _encode(fields), "sha256").hex()

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(self.names)}>"
