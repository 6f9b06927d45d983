"""Values and envelopes to bytes and back: msgspec JSON, with the checks that msgspec leaves out.

msgspec turns NaN into `null` and integer keys into strings without a word, and its errors carry no path
(`docs/reference/wire.md`). So values are walked once before they are encoded, at the border where a
producer or a task hands them over. Strings cost a set look-up; a path is put into words only in an error.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any, TypeAlias

import msgspec

from qtasks import foreign
from qtasks.errors import EncodeError, LimitError, MalformedMessageError, NewerMessageError
from qtasks.message import WIRE_VERSION, Delivery, Envelope, TaskMessage
from qtasks.types import NAME

MAX_PAYLOAD_BYTES = 1024 * 1024
"""The default limit of an envelope and of a result."""

MAX_DEPTH = 64
"""How deep lists and dicts may nest."""

TOO_LARGE_HINT = "Store large data elsewhere and pass a reference, or raise max_payload_bytes in the configuration."

_PLAIN = frozenset({str, bool, type(None)})
"""Types that need no look inside before they are encoded."""

_NAMES = re.compile(rf"[0-9a-f]{{32}} {NAME.pattern} {NAME.pattern}")
"""Id, queue and namespace of a message."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are not JSON, not UTF-8, too deep, or not of the asked type."""

_Path: TypeAlias = "str | tuple[_Path, str | int]"
"""Where a value stands: a name, or the place of its container with a key or an index."""


class _AnyVersion(msgspec.Struct):
    """What envelopes of all versions have in common."""

    v: int
    enqueued: int = 0


_encode = msgspec.json.Encoder(enc_hook=foreign.encode).encode
_builtins = partial(msgspec.to_builtins, str_keys=True, enc_hook=foreign.encode)
_decode_value = msgspec.json.Decoder().decode
_decode_message = msgspec.json.Decoder(TaskMessage).decode
_decode_any_version = msgspec.json.Decoder(_AnyVersion).decode
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def encode_value(value: Any, where: str, *, limit: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Encode one value.

    Args:
        value: JSON values, or what msgspec encodes: datetime, UUID, Decimal, bytes, enums, attrs,
            dataclasses, msgspec structs, and the types that plugins have registered.
        where: how the value is called in errors, such as "result".
        limit: how long the bytes may be.

    Raises:
        EncodeError: it cannot travel; the message holds the path to the bad value.
        LimitError: it is too long or too deep.
    """
    _walk(value, where, 0)
    encoded = _encode_text(value, where)
    if len(encoded) > limit:
        raise LimitError(f"{where} takes {len(encoded):,} bytes; at most {limit:,} are allowed.", TOO_LARGE_HINT)
    return encoded


def decode_value(data: bytes) -> Any:
    """Decode one value that `encode_value` made.

    Raises:
        MalformedMessageError: the bytes are not JSON.
    """
    try:
        return _decode_value(data)
    except _UNREADABLE as error:
        raise MalformedMessageError(f"stored value is not JSON: {error}") from error


def restore(data: bytes, type_: Any) -> Any:
    """Decode one value into the type that an annotation asks for.

    Raises:
        MalformedMessageError: the bytes do not fit the type.
    """
    try:
        return msgspec.json.decode(data, type=type_, dec_hook=foreign.decode)
    except _UNREADABLE as error:
        raise MalformedMessageError(f"stored value does not fit {type_!r}: {error}") from error


def _walk(value: Any, path: _Path, depth: int) -> None:
    """Raise where a value would be lost or changed on the wire.

    Raises:
        EncodeError: a NaN, an infinity, a key that is not a string, an integer beyond 64 bits, or an
            object that cannot be encoded; the message names the path to it, such as `kwargs.when[2]`.
        LimitError: lists and dicts nest deeper than `MAX_DEPTH`.
    """
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is int:
        if not -(2**63) <= value < 2**63:
            raise EncodeError(
                f"{_show(path)}: integers travel in 64 bits, this one takes {value.bit_length() + 1}.",
                "Pass it as a string.",
            )
    elif kind is float:
        if not math.isfinite(value):
            raise EncodeError(f"{_show(path)}: {value!r} is not a JSON number.", "Pass None or a string instead.")
    elif isinstance(value, dict):
        _check_room(path, depth)
        for key, item in value.items():
            if type(key) is not str:
                raise EncodeError(
                    f"{_show(path)}: dict keys must be strings, found one of type {type(key).__name__}.",
                    "Convert the keys, or pass a list of pairs.",
                )
            if type(item) not in _PLAIN:
                _walk(item, (path, key), depth + 1)
    elif isinstance(value, (list, tuple)):
        _check_room(path, depth)
        for index, item in enumerate(value):
            if type(item) not in _PLAIN:
                _walk(item, (path, index), depth + 1)
    else:
        _walk_object(value, path, depth)


def _walk_object(value: Any, path: _Path, depth: int) -> None:
    try:
        builtin = _builtins(value)
    except Exception as error:
        _check_room(path, depth)
        for name in _fields_of(type(value)):  # the bad one of them raises, and is named
            _walk(getattr(value, name), (path, name), depth + 1)
        raise EncodeError(
            f"{_show(path)}: a value of type {type(value).__name__} cannot be encoded ({error}).",
            "Pass JSON values, datetime, UUID, Decimal, bytes, enums, attrs, dataclasses, msgspec structs, or "
            'what plugins know: pip install "qtasks-plugins[pydantic]".',
        ) from error
    _walk(builtin, path, depth)


def _fields_of(kind: type) -> list[str]:
    """The names of the fields of a msgspec struct, a dataclass or an attrs class; none of others."""
    names: Any = getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", ())
    return [*names, *(attribute.name for attribute in getattr(kind, "__attrs_attrs__", ()))]


def _check_room(path: _Path, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise LimitError(f"{_show(path)}: nested deeper than {MAX_DEPTH} levels.", "Flatten the value.")


def _show(path: _Path) -> str:
    steps = []
    while isinstance(path, tuple):
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append(f".{step}" if step.isidentifier() else f"[{step!a}]")
    return (path + "".join(reversed(steps))).removeprefix(".")


def _encode_text(value: Any, where: str) -> bytes:
    """Encode, and name the text that UTF-8 cannot carry: looking for it beforehand would cost every string."""
    try:
        return _encode(value)
    except UnicodeEncodeError as error:
        path = _find_surrogate(_builtins(value), where) or where
        raise EncodeError(
            f"{_show(path)}: the text holds a lone surrogate, which UTF-8 cannot carry.",
            "Pass bytes, or decode the text with errors='replace'.",
        ) from error


def _find_surrogate(value: Any, path: _Path) -> _Path | None:
    if isinstance(value, str):
        return path if any("\ud800" <= char <= "\udfff" for char in value) else None
    if isinstance(value, dict):
        children = [((path, key), child) for key, item in value.items() for child in (key, item)]
    elif isinstance(value, (list, tuple)):
        children = [((path, index), item) for index, item in enumerate(value)]
    else:
        return None
    return next((found for place, child in children if (found := _find_surrogate(child, place))), None)


def encode_message(message: TaskMessage, *, limit: int = MAX_PAYLOAD_BYTES) -> Envelope:
    """Check the arguments and headers of a message and encode it.

    Raises:
        EncodeError: an argument cannot travel.
        LimitError: the envelope is too long, or an argument too deep.
    """
    if message.args:
        _walk(message.args, "args", -1)
    if message.kwargs:
        _walk(message.kwargs, "kwargs", -1)
    if message.headers:
        _walk(message.headers, "headers", -1)
    return within(limit, Envelope(message, _encode_text(message, "")))


def within(limit: int, envelope: Envelope) -> Envelope:
    """Return an envelope that is not too long.

    Raises:
        LimitError: it is.
    """
    if len(envelope.payload) > limit:
        raise LimitError(
            f"task {envelope.message.task!r}: the message takes {len(envelope.payload):,} bytes; at most {limit:,} "
            "are allowed.",
            TOO_LARGE_HINT,
        )
    return envelope


def decode_message(payload: bytes, *, limit: int = MAX_PAYLOAD_BYTES) -> TaskMessage:
    """Decode an envelope that anybody may have written.

    Raises:
        NewerMessageError: its version is higher than ours; it is to be parked.
        MalformedMessageError: it is no envelope; the message says why.
    """
    if len(payload) > limit:
        raise MalformedMessageError(f"envelope of {len(payload):,} bytes; at most {limit:,} are allowed")
    try:
        if not payload.isascii():
            payload.decode()  # msgspec does not look into fields that it skips
        message = _decode_message(payload)
    except _UNREADABLE as error:
        _check_version(payload)
        raise MalformedMessageError(f"not an envelope: {error}") from error
    if message.v != WIRE_VERSION:
        _check_version(payload)
        raise MalformedMessageError(f"unknown envelope version {message.v}")
    if not _NAMES.fullmatch(f"{message.id} {message.queue} {message.namespace}"):
        raise MalformedMessageError("id is not 32 lower-case hexadecimal digits, or queue or namespace is not a name")
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and not all(
        _fits(value, MAX_DEPTH) for value in (message.args, message.kwargs, message.headers)
    ):
        raise MalformedMessageError(f"arguments or headers nested deeper than {MAX_DEPTH} levels")
    return message


def _fits(container: Any, levels: int) -> bool:
    for child in container.values() if isinstance(container, dict) else container:
        if isinstance(child, (list, dict)) and (levels == 0 or not _fits(child, levels - 1)):
            return False
    return True


def _check_version(payload: bytes) -> None:
    try:
        found = _decode_any_version(payload)
    except _UNREADABLE:
        return
    if found.v > WIRE_VERSION:
        raise NewerMessageError(
            f"envelope version {found.v}; this version of QTasks reads up to {WIRE_VERSION}", found.enqueued
        )


def change_payload(payload: bytes, **changes: Any) -> bytes:
    """Rewrite fields of an envelope; all others, also those of a newer version, keep their bytes.

    For replays, and for brokers that must publish a message again to change it.

    Args:
        payload: an envelope.
        changes: fields of `TaskMessage` with their new values.

    Raises:
        MalformedMessageError: the payload is no JSON object.
    """
    try:
        fields = _decode_raw(payload)
    except _UNREADABLE as error:
        raise MalformedMessageError(f"not an envelope: {error}") from error
    return _encode({**fields, **changes})


def encode_fields(value: Any) -> bytes:
    """Encode a struct of ours (notes, errors, facts): no walk, its fields are JSON already.

    Text that UTF-8 cannot carry is escaped: an error must not be lost for the words it uses.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_escape(_builtins(value)))


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_escape(key): _escape(item) for key, item in value.items()}
    return [_escape(item) for item in value] if isinstance(value, list) else value


def envelope_of(payload: bytes, **changes: Any) -> Envelope:
    """Build an envelope from stored bytes with some fields changed (replay).

    Raises:
        MalformedMessageError: the stored bytes are no envelope.
    """
    changed = change_payload(payload, **changes)
    return Envelope(decode_message(changed, limit=len(changed)), changed)


def found_envelope(delivery: Delivery) -> Envelope:
    """Build an envelope from a delivery that was never accepted here; only its id is told where it cannot be read.

    It holds no `unique` key: that may be another task's meanwhile.
    """
    try:
        message = decode_message(delivery.payload, limit=len(delivery.payload))
    except MalformedMessageError:
        message = TaskMessage(WIRE_VERSION, delivery.id, namespace="", queue="", task="")
    fields = {"id": delivery.id, "unique": None, "attempt": delivery.attempt}
    return Envelope(msgspec.structs.replace(message, **fields), delivery.payload)
