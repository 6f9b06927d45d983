"""Messages that nobody should have written, by the thousand, and good tasks behind them."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec
import pytest
from qtasks import TaskStatus
from qtasks.codec import encode_message
from qtasks.message import WIRE_VERSION, Envelope, TaskMessage, new_id

from qtasks_testkit.faults.base import Faults, Figure
from qtasks_testkit.faults.fleet import Fleet, until

BROKEN, GOOD = 1000, 200

FOREIGN = [
    *(b"", b" ", b"\n", b"\x00", b"\xff\xfe", b"null", b"true", b"1", b'"v"', b"[]", b"[1]", b"{}", b'{"v":1}', b"()"),
    *(b"<task/>", b"v: 1", b"PING\r\n", b"*1\r\n$4\r\nPING\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x1f\x8b", b"PK\x03\x04"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b'{"v":' * 100_000, b"[" * 64 + b"]" * 64, b'"' + b"a" * 100_000),
    b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01v\x94K\x01s.",
    b"\x00" * 1000,
    b"9" * 100_000,
]
"""What others write: texts of other formats, pieces of other protocols."""

Damage: TypeAlias = Callable[[Fleet, list[str], random.Random], None]
"""Spoils how messages with these ids are stored."""


def broken_payloads(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Everything that may be wrong with an envelope as a whole, by its kind.

    Args:
        good: the payload of a good envelope; the more fields it has, the more kinds there are.
    """
    fields = json.loads(good)
    for field in ("v", "id", "namespace", "queue", "task"):
        yield f"without {field}", json.dumps({key: fields[key] for key in fields if key != field}).encode()
        yield f"{field} renamed", good.replace(f'"{field}":'.encode(), f'"{field.upper()}":'.encode())
    yield from ((f"cut after {length}", good[:length]) for length in range(len(good)))
    yield from ((f"from {start}", good[start:]) for start in range(1, len(good)))
    yield from ((f"foreign {index}", payload) for index, payload in enumerate(FOREIGN))
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        yield name, good.decode().encode(name)
    yield "utf-7", b"+" + good
    yield from {
        "gzip": gzip.compress(good),
        "zlib": zlib.compress(good),
        "base64": base64.b64encode(good),
        "hexadecimal": good.hex().encode(),
        "msgpack": msgspec.msgpack.encode(fields),
        "twice encoded": json.dumps(good.decode()).encode(),
        "in a list": b"[" + good + b"]",
        "two": good + good,
        "two lines": good + b"\n" + good,
        "with a tail": good + b"\x00",
        "a repr": repr(fields).encode(),
        "as pairs": json.dumps(list(fields.items())).encode(),
    }.items()
    noise = random.Random(2)
    yield from ((f"noise {index}", noise.randbytes(noise.randint(1, 300))) for index in range(200))


def new_message(namespace: str) -> TaskMessage:
    """A message with many fields."""
    return TaskMessage(
        WIRE_VERSION,
        new_id(),
        namespace,
        "default",
        "nap",
        args=[1, 0.0, "three, which is long: the more there is to cut, the more kinds of broken messages there are"],
        kwargs={"four": [4.5, None], "five": {"six": True}},
        headers={
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tenant": "a",
            "locale": "b",
        },
        parent=new_id(),
        reply_to="nowhere",
    )


class MalformedMessages(Faults):
    """Whatever lies in a queue, the worker stays alive, says what is wrong with it, and does the rest."""

    @pytest.fixture
    def damage(self) -> Damage:
        """What may be spoilt beside the payload; a backend's tests say more."""
        return lambda *_: None

    @pytest.mark.timeout(120)
    def test_a_thousand_malformed_messages_stop_no_worker(
        self, fleet: Fleet, damage: Damage, chance: random.Random, figure: Figure
    ) -> None:
        name = fleet.queue.name
        payloads = [payload for _, payload in broken_payloads(encode_message(new_message(name)).payload)]
        envelopes = [Envelope(new_message(name), payload) for payload in chance.sample(payloads, BROKEN)]
        doomed = fleet.queue.runtime.run_blocking(lambda link: link.broker.publish(envelopes))
        damage(fleet, doomed, chance)
        good = fleet.add("nap", *((number, 0.0) for number in range(GOOD)))

        fleet.run("-p", "2")
        before = set(until(lambda: len(found := fleet.children) == 2 and found))
        fleet.all_done(*good)
        dead = [TaskStatus.DEAD] * BROKEN
        until(lambda: [record.status for record in fleet.records(doomed)] == dead, 60, "all are dead letters")

        assert set(fleet.children) == before
        assert {record.error and record.error.type for record in fleet.records(doomed)} == {"malformed"}
        assert len(fleet.ledger("start")) == GOOD
        figure(f"{BROKEN:,} malformed messages: worker alive, all dead letters with a reason, {GOOD} good tasks done")
