"""The wire format: golden envelopes of every version, and whatever else may lie in a queue.

The files in `golden/` hold bytes as they are on the wire, without a newline at the end. A file of a released version is
never changed: what a version has written, all later ones read, and rewrite without a difference.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from qtasks.codec import (
    MAX_PAYLOAD_BYTES,
    change_payload,
    decode_message,
    encode_fields,
    encode_message,
    envelope_of,
    restore,
)
from qtasks.errors import LimitError, MalformedMessageError, NewerMessageError
from qtasks.message import WIRE_VERSION, ErrorInfo, TaskMessage
from qtasks_testkit.faults.malformed import broken_payloads

GOLDEN = Path(__file__).parent / "golden"

MINIMAL = TaskMessage(1, "0123456789abcdef0123456789abcdef", "QueueTasks", "default", "add")
VALUES = TaskMessage(
    1,
    "00000000000000000000000000000001",
    "shop",
    "mail.out-1",
    "shop.mail:send",
    ["text", "Grüße, 世界 🎉", 'quote " and \\ and \n', "", 0, -(2**63), 2**63 - 1, 1.5, -0.25, True, False, None],
    {"nested": {"list": [[], [1, [2, [3]]], {}], "empty": ""}, "Ключ": 1, "with space": None},
    enqueued=1_700_000_000_000_000,
)
FULL = TaskMessage(
    v=1,
    id="ffffffffffffffffffffffffffffffff",
    namespace="shop",
    queue="reports",
    task="report",
    args=[1, "two"],
    kwargs={"three": 3.5},
    priority=-(2**31),
    enqueued=1_700_000_000_000_000,
    due=1_700_000_060_000_000,
    expires=1_700_003_600_000_000,
    unique="report:2023-11-14",
    attempt=2,
    reply_to="/run/qtasks/1.sock",
    parent="0123456789abcdef0123456789abcdef",
    headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    signature="k1:3q2+7w==",
)
ERROR = ErrorInfo("ValueError", "no such row", 'Traceback...\n  File "app.py", line 1\n', ["KeyError: 'row'"])

MESSAGES = {"v1_minimal": MINIMAL, "v1_values": VALUES, "v1_full": FULL}


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


# Golden envelopes.


@pytest.mark.parametrize("name", MESSAGES)
def test_golden_envelope_decodes_to_the_message_it_was_made_from(name):
    assert decode_message(golden(name)) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_message_still_encodes_to_the_golden_bytes(name):
    assert encode_message(MESSAGES[name]).payload == golden(name)


def test_every_golden_file_is_claimed_by_a_test():
    claimed = {*MESSAGES, "v1_error", "v1_newer_minor", "v2_future"}
    assert {path.stem for path in GOLDEN.glob("*.json")} == claimed


def test_golden_error_decodes_and_encodes_to_the_same_bytes():
    assert restore(golden("v1_error"), ErrorInfo) == ERROR
    assert encode_fields(ERROR) == golden("v1_error")


def test_field_at_its_default_is_not_written_but_the_version_is():
    assert set(json.loads(golden("v1_minimal"))) == {"v", "id", "namespace", "queue", "task"}


# Unknown fields: what a newer minor version of the same envelope adds.


def test_unknown_field_is_read_over():
    message = decode_message(golden("v1_newer_minor"))

    assert (message.task, message.args) == ("add", [1, 2])


def test_unknown_fields_keep_their_bytes_when_the_payload_is_rewritten():
    before = golden("v1_newer_minor")

    after = change_payload(before, attempt=3, due=5)

    assert decode_message(after).attempt == 3
    raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    kept_before = {key: bytes(value) for key, value in raw(before).items()}
    kept_after = {key: bytes(value) for key, value in raw(after).items()}
    assert kept_after == {**kept_before, "attempt": b"3", "due": b"5"}


def test_rewriting_nothing_changes_no_byte():
    for name in (*MESSAGES, "v1_newer_minor", "v2_future"):
        assert change_payload(golden(name)) == golden(name)


def test_replayed_envelope_keeps_unknown_fields_under_its_new_id():
    replay = envelope_of(golden("v1_newer_minor"), id="a" * 32, parent=MINIMAL.id)

    assert replay.message == decode_message(replay.payload)
    assert (replay.message.id, replay.message.parent) == ("a" * 32, MINIMAL.id)
    assert json.loads(replay.payload)["x_weight"] == 1.1


def test_payload_that_is_no_object_cannot_be_rewritten():
    for payload in (b"", b"[]", b'{"a":', b"{1:2}"):
        with pytest.raises(MalformedMessageError):
            change_payload(payload, attempt=1)


# Versions.


def test_higher_version_is_told_from_garbage_and_keeps_its_age():
    with pytest.raises(NewerMessageError) as caught:
        decode_message(golden("v2_future"))
    assert caught.value.enqueued == 1_700_000_000_000_000


def test_higher_version_is_recognised_even_where_the_other_fields_fit():
    with pytest.raises(NewerMessageError, match="version 2; this version of QTasks reads up to 1"):
        decode_message(change_payload(golden("v1_full"), v=WIRE_VERSION + 1))


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", "2", True, None, [2], {"v": 2}])
def test_version_that_never_was_is_malformed(version):
    refused(change_payload(golden("v1_full"), v=version))


def test_higher_version_in_a_broken_envelope_is_malformed():
    refused(golden("v2_future")[:-1])


# Limits.


def test_envelope_at_the_limit_passes_and_one_byte_more_does_not():
    message = msgspec.structs.replace(MINIMAL, args=["x"])
    room = MAX_PAYLOAD_BYTES - len(encode_message(message).payload)
    at_limit = msgspec.structs.replace(MINIMAL, args=["x" * (1 + room)])
    too_long = msgspec.structs.replace(MINIMAL, args=["x" * (2 + room)])

    payload = encode_message(at_limit).payload

    assert len(payload) == MAX_PAYLOAD_BYTES
    assert decode_message(payload) == at_limit
    with pytest.raises(LimitError, match="1,048,577 bytes; at most 1,048,576"):
        encode_message(too_long)
    refused(encode_message(too_long, limit=2 * MAX_PAYLOAD_BYTES).payload)


@pytest.mark.parametrize("field", ["args", "kwargs", "headers"])
def test_arguments_nest_64_levels_deep_for_the_writer_and_for_the_reader(field):
    def message(levels: int) -> bytes:
        value = b"[" * levels + b"]" * levels
        return with_field(field, b"[" + value + b"]" if field == "args" else b'{"a":' + value + b"}")

    decoded = decode_message(message(64))

    assert encode_message(decoded).payload == message(64)
    refused(message(65))


def test_brackets_inside_of_strings_are_no_depth():
    message = msgspec.structs.replace(MINIMAL, args=["[" * 1000, "{" * 1000])
    assert decode_message(encode_message(message).payload) == message


# Malformed payloads: a table of everything that is wrong in one way, and mutations that are wrong in any way.


def refused(payload: bytes) -> None:
    """Assert that a payload is malformed, and nothing else: not newer, and no error of a library."""
    with pytest.raises(MalformedMessageError) as caught:
        decode_message(payload)
    assert type(caught.value) is MalformedMessageError
    assert str(caught.value)


def with_field(field: str, value: bytes) -> bytes:
    """A good envelope whose one field has these bytes for a value."""
    fields: dict[str, Any] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode(golden("v1_full"))
    return msgspec.json.encode(fields | {field: msgspec.Raw(value)})


OF_OTHER_TYPES = {
    "int": ["-1.5", "1e3", '"1"', "true", "[]", "{}", "[1]", "9" * 30, "9" * 5000, "-" + "9" * 30, "1e999"],
    "str": ["1", "0", "-1.5", "true", "false", "[]", "{}", '["a"]', '{"a":"b"}'],
    "list": ["1", "0.5", '"[]"', "true", "{}", '{"0":1}', '""', "false"],
    "dict": ["1", "0.5", '"{}"', "true", "[]", '[["a",1]]', '""', "false"],
}
KINDS = {
    "str": ["id", "namespace", "queue", "task", "unique", "reply_to", "parent", "signature"],
    "int": ["v", "priority", "enqueued", "due", "expires", "attempt"],
    "list": ["args"],
    "dict": ["kwargs", "headers"],
}
NULLABLE = {"expires", "unique", "reply_to", "parent", "signature"}
NOT_JSON = [
    *("", " ", "nul", "NaN", "Infinity", "-Infinity", "undefined", "01", "+1", ".5", "1.", "0x10", "1_000", "'a'"),
    *('"', '"\\x41"', '"\\u12"', '"\\ud800"', '"\\ud800\\u0041"', '"\n"', '"\x00"', "[1,]", '{"a":1,}', "[1 2]"),
    *("{a:1}", "{1:2}", "{null:1}", "[,]", "[1", "[1}", '{"a"}', '{"a":}', "//", "1//", "/**/1", "True", "None"),
]
OUT_OF_RANGE = {
    "priority": [2**31, -(2**31) - 1, 2**63, 2**64],
    "enqueued": [-1, 253_402_300_800_000_000, 2**63, 2**64, -(2**63)],
    "due": [-1, 253_402_300_800_000_000, 2**63, 2**64, -(2**63)],
    "expires": [-1, 253_402_300_800_000_000, 2**63, 2**64, -(2**63)],
    "attempt": [-1, 2**31, 2**63, 2**64],
}
NO_IDS = [
    *("", "0", "a" * 31, "a" * 33, "A" * 32, "g" * 32, " " * 32, "-" * 32, "0x" + "a" * 30, "a" * 31 + "\n"),
    *("\u0660" * 32, "\uff41" * 32, "é" * 32, "a" * 31 + "\u0000", "\n" + "a" * 31, "+" + "1" * 31, "1_" * 16),
    *("01234567-89ab-cdef-0123-456789abcdef", "{" + "a" * 30 + "}", "a" * 10_000),
]
NO_NAMES = [
    *(
        "",
        " ",
        "a b",
        "a/b",
        "a:b",
        "a\n",
        "\na",
        "a" * 129,
        "ä",
        "\u0430",
        "*",
        "a\u0000b",
        "a\tb",
        "a,b",
        "'",
        '"',
        "\\",
    ),
    *("..\\", "../x", "%00", "$(x)", "`x`", "a;b", "{a}", "[a]", "a|b", "<a>", "名", "a" * 10_000),
]


def broken_fields() -> Iterator[tuple[str, bytes]]:
    for kind, fields in KINDS.items():
        for field in fields:
            wrong = [*OF_OTHER_TYPES[kind], *NOT_JSON, *([] if field in NULLABLE else ["null"])]
            yield from ((f"{field}={text[:20]}", with_field(field, text.encode())) for text in wrong)
    for field, numbers in OUT_OF_RANGE.items():
        yield from ((f"{field}={number}", with_field(field, str(number).encode())) for number in numbers)
    yield from ((f"id {text[:20]!a}", with_field("id", json.dumps(text).encode())) for text in NO_IDS)
    for field in ("queue", "namespace"):
        yield from ((f"{field} {text[:20]!a}", with_field(field, json.dumps(text).encode())) for text in NO_NAMES)
    for field in ("args", "kwargs", "headers", "x_unknown"):
        yield f"{field} too deep", with_field(field, b"[" * 100_000)
        yield f"{field} with bad UTF-8", with_field(field, b'{"a":"\xff"}' if field != "args" else b'["\xc3"]')


def test_more_than_a_thousand_kinds_of_malformed_payloads_are_malformed_and_nothing_else():
    table = dict([*broken_fields(), *broken_payloads(golden("v1_full"))])
    assert len(table) >= 1000

    for kind, payload in table.items():
        try:
            refused(payload)
        except BaseException as error:
            error.add_note(f"malformed payload: {kind}: {payload[:200]!r}")
            raise


JSON_MARKS = (b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"-")


def mutate(payload: bytes, chance: random.Random) -> bytes:
    """Change, insert, remove, double or exchange bytes at a few places."""
    changed = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 1, 2, 8, 40))
        match chance.randrange(5):
            case 0:
                changed[place : place + 1] = chance.randbytes(1)
            case 1:
                changed[place:place] = chance.choice((*JSON_MARKS, b"9" * length))
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length]
            case 4:
                other = chance.randrange(len(changed) + 1)
                changed[place : place + length] = changed[other : other + length]
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_envelope_is_read_or_malformed_and_what_is_read_can_be_written_again(seed):
    chance = random.Random(seed)
    sources = [golden(name) for name in (*MESSAGES, "v1_newer_minor", "v2_future")]
    malformed = 0
    for _ in range(2500):
        payload = mutate(chance.choice(sources), chance)
        try:
            message = decode_message(payload)
        except MalformedMessageError:
            malformed += 1
            continue
        assert decode_message(change_payload(payload, attempt=7)) == msgspec.structs.replace(message, attempt=7)
    assert malformed > 1000
