"""One model to JSON and back: what the core's codec asks of a type that a plugin has registered.

Models travel by the names of their fields, without computed ones; both names and aliases are taken when they arrive.
They are validated as JSON, so that strict models, too, restore what JSON has no type for.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.errors import PydanticUserError


def encode(value: BaseModel) -> Any:
    """Dump a model.

    Raises:
        ValueError: pydantic cannot dump it, or it would mask a secret.
    """
    dumped = value.model_dump(mode="json", by_alias=False, round_trip=True)
    if _may_mask(type(value)) and decode(type(value), dumped) != value:
        raise ValueError("it holds a secret, which pydantic masks; a field_serializer can tell how it travels")
    return dumped


def decode(kind: type[BaseModel], value: Any) -> BaseModel:
    """Validate what has travelled.

    Raises:
        ValidationError: it is no such model; the text is pydantic's.
    """
    return kind.model_validate_json(msgspec.json.encode(value), by_alias=True, by_name=True)


@functools.lru_cache(maxsize=4096)
def _may_mask(kind: type[BaseModel]) -> bool:
    """True when some field of a model, or of those within it, is dumped like a password."""
    try:
        return '"format": "password"' in json.dumps(kind.model_json_schema(mode="serialization"))
    except PydanticUserError:  # it has a type that no schema tells of
        return False
