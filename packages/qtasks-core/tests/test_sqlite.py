"""The SQLite backend passes the conformance suite."""

import itertools

import pytest
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.global_config import SqliteGlobalConfig
from qtasks.backends.sqlite.storage import SqliteStorage
from qtasks_testkit.conformance import (
    BrokerConformance,
    GlobalConfigConformance,
    ReportConformance,
    SplitStorageConformance,
    StorageConformance,
    ValueConformance,
)
from qtasks_testkit.machine import StateMachineConformance
from qtasks_testkit.rig import UrlPlace

pytestmark = pytest.mark.needs("sqlite")


class OnSqlite:
    @pytest.fixture
    def new_place(self, tmp_path):
        numbers = itertools.count()
        classes = SqliteBroker, SqliteStorage, SqliteGlobalConfig
        return lambda: UrlPlace(f"sqlite:///{tmp_path}/{next(numbers)}.db", *classes)


class TestSqliteBroker(OnSqlite, BrokerConformance):
    pass


class TestSqliteStorage(OnSqlite, StorageConformance, ReportConformance, ValueConformance):
    pass


class TestSqliteAsSplitStorage(OnSqlite, SplitStorageConformance):
    pass


class TestSqliteGlobalConfig(OnSqlite, GlobalConfigConformance):
    pass


class TestSqliteStateMachine(OnSqlite, StateMachineConformance):
    pass
