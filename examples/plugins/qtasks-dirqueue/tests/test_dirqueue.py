"""The broker passes the conformance suite of brokers beside somebody else's storage."""

import pytest
from qtasks_dirqueue.broker import DirectoryBroker
from qtasks_testkit.conformance import SplitBrokerConformance
from qtasks_testkit.rig import UrlPlace


class TestDirectoryBroker(SplitBrokerConformance):
    @pytest.fixture
    def new_place(self, tmp_path):
        return lambda: UrlPlace(f"dirqueue://{tmp_path}", DirectoryBroker, None)
