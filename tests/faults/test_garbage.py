"""A thousand messages that nobody should have written, and good tasks behind them."""

import random
import sqlite3
from itertools import islice

import pytest
from qtasks import TaskStatus
from supervisor.fleet import until
from test_wire import broken_envelopes

BROKEN, GOOD = 1000, 200
SEED = 20_261_123

COLUMNS = {
    "attempt": [-1, 2**62],
    "crashes": [-5],
    "token": [2**62],
    "priority": [-(2**62), 2**62],
    "due": [-1],
    "name": ["", "\x00", "x" * 10_000],
    "started": [-(2**62)],
}
"""What may stand in a column beside a broken payload: each row gets one of them, or none."""


@pytest.mark.needs("sqlite")
@pytest.mark.timeout(120)
def test_a_thousand_malformed_rows_stop_no_worker(fleet, figure):
    chance = random.Random(SEED)
    payloads = list(broken_envelopes())
    doomed = fleet.add("nap", *((number, 0.0) for number in range(BROKEN)))
    with sqlite3.connect("queue.db") as database:
        for task, (_, payload) in zip(doomed, islice(chance.sample(payloads, len(payloads)), BROKEN), strict=True):
            column = chance.choice([*COLUMNS, "payload"])
            value = chance.choice(COLUMNS[column]) if column in COLUMNS else payload
            database.execute(
                f"UPDATE task SET payload = ?, {column} = ? WHERE id = ?",
                (payload, value, task.id),
            )
    database.close()
    good = fleet.add("nap", *((BROKEN + number, 0.0) for number in range(GOOD)))

    fleet.run("-p", "2")
    before = set(until(lambda: len(found := fleet.children) == 2 and found))
    fleet.all_done(*good)
    until(lambda: all(fleet.record(task.uuid).status is TaskStatus.DEAD for task in doomed), 60, "all are dead letters")

    assert set(fleet.children) == before
    reasons = {fleet.record(task.uuid).error.type for task in doomed}
    assert reasons == {"malformed"}
    assert not any(number < BROKEN for number, _ in fleet.ledger("start"))
    figure(f"{BROKEN:,} malformed rows (seed {SEED}): worker alive, all dead letters, {GOOD} good tasks done")
