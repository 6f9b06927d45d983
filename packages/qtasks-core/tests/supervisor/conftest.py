"""The fixture of all tests here."""

import signal
from collections.abc import Iterator

import pytest
from qtasks_testkit.faults.fleet import Fleet


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """An application whose `qtasks run` ends with the test, however that went."""
    was = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and so it would be by the fleet
    fleet = Fleet()
    yield fleet
    fleet.close()
    signal.signal(signal.SIGHUP, was)
