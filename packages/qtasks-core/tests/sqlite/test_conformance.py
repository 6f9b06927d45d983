"""The SQLite backend passes the conformance suite."""

import pytest
from conformance.broker import BrokerConformance
from conformance.global_config import GlobalConfigConformance
from conformance.split import SplitStorageConformance
from conformance.state_machine import StateMachineConformance
from conformance.storage import ReportConformance, StorageConformance, ValueConformance
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.global_config import SqliteGlobalConfig
from qtasks.backends.sqlite.storage import SqliteStorage

pytestmark = pytest.mark.needs("sqlite")


class SqlitePlace:
    """A file of its own."""

    def __init__(self, path):
        self.url = f"sqlite:///{path}"

    def connect(self, context):
        return SqliteBroker.from_url(self.url, context), SqliteStorage.from_url(self.url, context)

    def connect_config(self, context):
        return SqliteGlobalConfig.from_url(self.url, context)


class OnSqlite:
    @pytest.fixture
    def new_place(self, tmp_path_factory):
        return lambda: SqlitePlace(tmp_path_factory.mktemp("place") / "q.db")


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
