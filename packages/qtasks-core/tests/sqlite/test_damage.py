"""Rows that somebody else has written: they are handed over as they are, and disturb nobody."""

import sqlite3

import pytest
from qtasks.message import ErrorInfo, Outcome
from qtasks.types import TaskStatus
from sqlite.support import success

BIGGEST = 2**63 - 1

DAMAGES = {
    "empty id": {"id": ""},
    "long id": {"id": "x" * 100_000},
    "id with spaces": {"id": "a b\nc"},
    "id that is no text": {"id": "CAST(x'ff00fe' AS TEXT)"},
    "empty payload": {"payload": b""},
    "payload of garbage": {"payload": bytes(range(256))},
    "negative attempt": {"attempt": -5},
    "biggest attempt": {"attempt": BIGGEST},
    "biggest token": {"token": BIGGEST},
    "biggest crashes": {"crashes": BIGGEST},
    "first priority": {"priority": -BIGGEST},
    "due long ago": {"due": -BIGGEST},
    "address of garbage": {"reply_to": "udp:1:x"},
    "address that is no text": {"reply_to": "CAST(x'ff' AS TEXT)"},
    "history of garbage": {"history": "{\n]"},
    "error of garbage": {"error": b"\xff"},
    "unknown lost": {"lost": 77},
    "name that is no text": {"name": "CAST(x'c0' AS TEXT)"},
}


def insert(queue, fields):
    """Write a row behind the backend's back."""
    session = queue.broker.database.session()
    row = {
        "id": "damaged", "space": session.space, "queue": 1, "priority": -1, "state": "ready", "attempt": 0,
        "enqueued": 0, "due": 0, "updated": 0, "name": "t", "payload": b"{}",
    } | fields  # fmt: skip
    values = [value if str(value).startswith("CAST") else "?" for value in row.values()]
    bound = [value for value in row.values() if not str(value).startswith("CAST")]
    session.execute(f"INSERT INTO task ({', '.join(row)}) VALUES ({', '.join(values)})", bound)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_row_is_handed_over_and_can_be_buried(queue, damage):
    good = [queue.add() for _ in range(3)]
    insert(queue, DAMAGES[damage])
    owner = queue.worker()
    deliveries = queue.take_all(owner)
    assert [delivery.id for delivery in deliveries[1:]] == good
    dead = Outcome(deliveries[0], TaskStatus.DEAD, error=ErrorInfo("MalformedMessageError", "garbage"))
    assert queue.finish(owner, [dead, *map(success, deliveries[1:])]) == []
    assert [record.error.type for record in queue.find(status=TaskStatus.DEAD)] == ["MalformedMessageError"]
    assert queue.inspect()[0].dead == 1
    assert [record.status for record in queue.get_many(good)] == ["success"] * 3


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_row_can_be_put_back_and_read(queue, damage):
    insert(queue, DAMAGES[damage])
    for end in ({}, {"death": "killed"}, {"death": "killed again"}):
        owner = queue.worker()
        [delivery] = queue.take_all(owner)
        assert queue.finish(owner, [Outcome(delivery, TaskStatus.RETRY)]) == []
        owner = queue.worker()
        if queue.take_all(owner):
            assert len(queue.release(owner, **end)) == 1
        if damage == "biggest crashes" and end:
            break
    assert len(queue.find()) == 1


@pytest.mark.parametrize("fields", [{"queue": 999}, {"state": "limbo"}, {"state": ""}])
def test_row_that_belongs_nowhere_is_passed_over(queue, fields):
    good = queue.add()
    insert(queue, fields)
    assert [delivery.id for delivery in queue.take_all(queue.worker())] == [good]
    queue.beat([])
    queue.find()
    queue.inspect()


def test_layout_refuses_what_is_no_number(queue):
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        insert(queue, {"priority": "high"})
