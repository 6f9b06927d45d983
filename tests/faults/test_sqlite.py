"""Workers on an SQLite file: what kills and freezes them, and what may stand in the rows of the file."""

import sqlite3

import pytest
from qtasks_testkit.faults.crashes import CrashPoints
from qtasks_testkit.faults.deaths import WorkerDeaths
from qtasks_testkit.faults.malformed import MalformedMessages

pytestmark = pytest.mark.needs("sqlite")

COLUMNS = {
    "attempt": [-1, 2**62],
    "crashes": [-5],
    "token": [2**62],
    "priority": [-(2**62), 2**62],
    "due": [-1],
    "name": ["", "\x00", "x" * 10_000],
    "started": [-(2**62)],
}
"""What may stand in a column beside a broken payload: a row gets one of them, or none."""


class OnSqlite:
    @pytest.fixture
    def fleet_url(self):
        return "sqlite:///queue.db"


class TestDeathsOnSqlite(OnSqlite, WorkerDeaths):
    pass


class TestMalformedRows(OnSqlite, MalformedMessages):
    @pytest.fixture
    def damage(self):
        def damage(_, ids, chance):
            with sqlite3.connect("queue.db") as database:
                for task_id in ids:
                    if chance.random() < 0.9:
                        column = chance.choice([*COLUMNS])
                        value = chance.choice(COLUMNS[column])
                        database.execute(f"UPDATE task SET {column} = ? WHERE id = ?", (value, task_id))
            database.close()

        return damage


class TestCrashPointsOfSqlite(OnSqlite, CrashPoints):
    worker_points = tuple(
        f"sqlite.{step}.{place}"
        for step in ("join", "take", "finish", "beat", "sweep", "report", "release")
        for place in ("written", "committed")
    )
    producer_points = ("sqlite.publish.written", "sqlite.publish.committed")
