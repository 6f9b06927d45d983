"""The conformance suite catches the bugs that are planted into the backends of the core."""

import pytest
from qtasks_testkit.mutants import MutantConformance
from test_memory import OnMemory
from test_sqlite import OnSqlite


class TestMutantsOfMemory(OnMemory, MutantConformance):
    pass


@pytest.mark.needs("sqlite")
class TestMutantsOfSqlite(OnSqlite, MutantConformance):
    pass
