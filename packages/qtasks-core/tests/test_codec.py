"""Values on their way to bytes and back: what travels, and how what does not is named."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import uuid
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from qtasks.codec import (
    MAX_DEPTH,
    MAX_PAYLOAD_BYTES,
    decode_value,
    encode_fields,
    encode_message,
    encode_value,
    restore,
)
from qtasks.errors import EncodeError, LimitError, MalformedMessageError
from qtasks.message import ErrorInfo, TaskMessage


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@attrs.define
class Row:
    cells: Any
    by_number: dict[int, str] = attrs.Factory(dict)


class Money(msgspec.Struct):
    amount: decimal.Decimal
    note: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any


UTC_TIME = dt.datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=dt.UTC)
UUID = uuid.UUID("0123456789abcdef0123456789abcdef")


def message(*args: Any, **kwargs: Any) -> TaskMessage:
    return TaskMessage(1, "0" * 32, "app", "default", "add", list(args), kwargs)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# What travels.


@pytest.mark.parametrize(
    ("value", "text", "type_"),
    [
        (None, "null", None),
        (True, "true", bool),
        (-(2**63), "-9223372036854775808", int),
        (2**63 - 1, "9223372036854775807", int),
        (0.1, "0.1", float),
        ("Grüße \x00", '"Grüße \\u0000"', str),
        ((1, "a"), '[1,"a"]', tuple[int, str]),
        ({"a": {"b": [1]}}, '{"a":{"b":[1]}}', dict[str, dict[str, list[int]]]),
        (UTC_TIME, '"2023-11-14T22:13:20.123456Z"', dt.datetime),
        (dt.datetime(2023, 11, 14, 22, 13), '"2023-11-14T22:13:00"', dt.datetime),  # noqa: DTZ001 - stays naive
        (dt.date(2023, 11, 14), '"2023-11-14"', dt.date),
        (dt.time(22, 13), '"22:13:00"', dt.time),
        (dt.timedelta(days=1, seconds=2), '"P1DT2S"', dt.timedelta),
        (UUID, '"01234567-89ab-cdef-0123-456789abcdef"', uuid.UUID),
        (decimal.Decimal("1.10"), '"1.10"', decimal.Decimal),
        (b"\x00\xff", '"AP8="', bytes),
        (Colour.RED, '"red"', Colour),
        (Size.BIG, "3", Size),
        ({"b", "a"} - {"a"}, '["b"]', set[str]),
        (Point(1, [2]), '{"x":1,"y":[2]}', Point),
        (Row([1], {1: "one"}), '{"cells":[1],"by_number":{"1":"one"}}', Row),
        (Money(decimal.Decimal("2.50")), '{"amount":"2.50","note":null}', Money),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}', dict[str, int]),
        (defaultdict(list, a=[1]), '{"a":[1]}', dict[str, list[int]]),
        (Pair(1, 2), "[1,2]", tuple[int, int]),
    ],
    ids=str,
)
def test_value_has_these_bytes_and_is_restored_by_its_annotation(value, text, type_):
    data = encode_value(value, "result")

    assert json.loads(data) == json.loads(text)  # the fields of an attrs class come in any order
    assert restore(data, type_) == value


def test_value_is_plain_json_where_no_annotation_restores_it():
    assert decode_value(encode_value({"at": UTC_TIME, "id": UUID}, "result")) == {
        "at": "2023-11-14T22:13:20.123456Z",
        "id": "01234567-89ab-cdef-0123-456789abcdef",
    }


def test_large_structure_that_is_not_deep_travels():
    value = [{"row": index, "cells": [1.5, None, "x"]} for index in range(1000)]
    assert decode_value(encode_value(value, "result")) == value


# What does not travel is named by its path.


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("place", "path"),
    [
        (lambda bad: bad, "result"),
        (lambda bad: [0, [bad]], r"result\[1\]\[0\]"),
        (lambda bad: (1, bad), r"result\[1\]"),
        (lambda bad: {"a": {"b": [1, bad]}}, r"result\.a\.b\[1\]"),
        (lambda bad: {"not a name": bad}, r"result\['not a name'\]"),
        (lambda bad: OrderedDict(a=bad), r"result\.a"),
        (lambda bad: Pair(1, bad), r"result\[1\]"),
        (lambda bad: Point(1, {"deep": bad}), r"result\.y\.deep"),
        (lambda bad: [Row([bad])], r"result\[0\]\.cells\[0\]"),
        (lambda bad: Money(decimal.Decimal(1), bad), r"result\.note"),
    ],
)
def test_number_that_json_lacks_is_refused_with_its_path(number, place, path):
    with pytest.raises(EncodeError, match=rf"^{path}: {number} is not a JSON number"):
        encode_value(place(number), "result")


@pytest.mark.parametrize(
    "key", [1, 1.5, None, True, (1, 2), b"a", Colour.RED, 10**5000], ids=lambda key: type(key).__name__
)
@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda items: defaultdict(int, items)])
def test_key_that_is_no_string_is_refused_with_the_path_to_its_dict(kind, key):
    with pytest.raises(EncodeError, match=rf"^result\[0\]\.a: dict keys must be strings.*{type(key).__name__}"):
        encode_value([{"a": kind({key: 1})}], "result")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**5000], ids=["2**63", "-2**63-1", "2**64", "huge"])
def test_integer_beyond_64_bits_is_refused_with_its_path(number):
    with pytest.raises(EncodeError, match=r"^result\.a\[1\]: integers travel in 64 bits, this one takes \d+"):
        encode_value({"a": [2**63 - 1, number]}, "result")
    with pytest.raises(EncodeError, match=r"^result\.x: integers"):
        encode_value(Point(number), "result")


@pytest.mark.parametrize(
    "value", [object(), 1j, range(3), len, object, iter([1]), OSError("x")], ids=lambda value: type(value).__name__
)
def test_object_without_an_encoding_is_refused_with_its_path(value):
    places = {"result": value, r"result\.a\[0\]": {"a": [value]}, r"result\.x\.cells": Point(Row(value))}
    for path, place in places.items():
        with pytest.raises(EncodeError, match=rf"^{path}: a value of type {type(value).__name__} cannot") as caught:
            encode_value(place, "result")
        assert "dataclasses" in caught.value.hint


class TextOfOurs(str):
    __slots__ = ()


class NumberOfOurs(int):
    pass


class RealOfOurs(float):
    pass


@pytest.mark.parametrize("value", [TextOfOurs("a"), NumberOfOurs(1), RealOfOurs("nan")], ids=repr)
def test_subclass_of_a_scalar_is_refused_and_not_flattened(value):
    with pytest.raises(EncodeError, match=rf"^result\[0\]: a value of type {type(value).__name__}"):
        encode_value([value], "result")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("\ud800", "result"),
        (["a", {"b": "x\udfffy"}], r"result\[1\]\.b"),
        ({"\udcff": 1}, r"result\['\\udcff'\]"),
        (Point("\ud800"), r"result\.x"),
    ],
)
def test_text_that_utf8_cannot_carry_is_refused_with_its_path(value, path):
    with pytest.raises(EncodeError, match=rf"^{path}: the text holds a lone surrogate") as caught:
        encode_value(value, "result")
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (message(1, [math.nan]), r"args\[1\]\[0\]"),
        (message(when=["a", {"b": 2**70}]), r"kwargs\.when\[1\]\.b"),
        (message(**{"not a name": object()}), r"kwargs\['not a name'\]"),
        (message(text="\ud800"), r"kwargs\.text"),
        (msgspec.structs.replace(message(), headers={"trace": {1: 2}}), r"headers\.trace"),
        (msgspec.structs.replace(message(), task="\ud800"), "task"),
    ],
)
def test_message_names_the_argument_or_header_that_cannot_travel(bad, path):
    with pytest.raises(EncodeError, match=rf"^{path}: "):
        encode_message(bad)


# Depth and size.


def test_lists_nest_64_levels_deep_and_not_65():
    assert decode_value(encode_value(nested(MAX_DEPTH), "result")) == nested(64)
    with pytest.raises(LimitError, match=r"^result(\[0\]){64}: nested deeper than 64 levels"):
        encode_value(nested(65), "result")


def test_depth_counts_every_kind_of_container_and_no_scalar():
    deepest: Any = [UUID, UTC_TIME, 1.5, "x"]
    for level in range(MAX_DEPTH - 1):
        deepest = ({"a": deepest}, [deepest], (deepest,), Point(deepest), OrderedDict(a=deepest))[level % 5]
    encode_value(deepest, "result")
    for one_more in ([deepest], {"a": deepest}, Point(deepest), OrderedDict(a=deepest)):
        with pytest.raises(LimitError, match="nested deeper than 64"):
            encode_value(one_more, "result")


def test_message_counts_depth_from_each_argument():
    encode_message(message(nested(64), a=nested(64)))
    with pytest.raises(LimitError, match=r"^args\[0\]"):
        encode_message(message(nested(65)))
    with pytest.raises(LimitError, match=r"^kwargs\.a"):
        encode_message(message(a=nested(65)))


def test_structure_that_holds_itself_is_too_deep_and_no_crash():
    ring: list[Any] = []
    ring.append(ring)
    point = Point(None)
    point.x = point
    for value in (ring, point, {"a": point}):
        with pytest.raises(LimitError, match="nested deeper than 64"):
            encode_value(value, "result")


def test_value_at_the_size_limit_passes_and_one_byte_more_is_named_with_both_numbers():
    assert len(encode_value("x" * (MAX_PAYLOAD_BYTES - 2), "result")) == MAX_PAYLOAD_BYTES
    with pytest.raises(LimitError, match=r"^result takes 1,048,577 bytes; at most 1,048,576 are allowed") as caught:
        encode_value("x" * (MAX_PAYLOAD_BYTES - 1), "result")
    assert "max_payload_bytes" in caught.value.hint
    assert len(encode_value("x" * MAX_PAYLOAD_BYTES, "result", limit=2 * MAX_PAYLOAD_BYTES)) > MAX_PAYLOAD_BYTES


def test_size_limit_of_a_message_names_its_task():
    with pytest.raises(LimitError, match=r"task 'add': the message takes \d+ bytes; at most 100 are allowed"):
        encode_message(message("x" * 100), limit=100)


def test_error_with_text_that_utf8_cannot_carry_is_escaped_and_not_lost():
    error = ErrorInfo("OSError", "no file caf\udce9", "File 'caf\udce9', line 1", ["KeyError: '\ud800'"])

    read = restore(encode_fields(error), ErrorInfo)

    assert read == ErrorInfo("OSError", "no file caf\\udce9", "File 'caf\\udce9', line 1", ["KeyError: '\\ud800'"])


# Reading.


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b'"\xff"', b'"\\ud800"', b"[" * 100_000, b"1e999", b"9" * 5000])
def test_stored_bytes_that_are_no_value_are_malformed(data):
    with pytest.raises(MalformedMessageError, match="not JSON"):
        decode_value(data)
    with pytest.raises(MalformedMessageError, match="does not fit"):
        restore(data, Point)


@pytest.mark.parametrize(("data", "type_"), [(b'"a"', int), (b"1.5", int), (b"{}", Point), (b'"blue"', Colour)])
def test_stored_value_of_another_type_is_malformed(data, type_):
    with pytest.raises(MalformedMessageError, match="does not fit"):
        restore(data, type_)
