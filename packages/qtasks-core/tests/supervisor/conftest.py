"""The fixture of all tests here."""

import signal
from collections.abc import Iterator

import pytest
from qtasks_testkit.faults.fleet import Fleet


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """An application whose `qtasks run` ends with the test, however that went."""
    # Under nohup, or started by a script in the background, these are ignored, and so they would be by the fleet.
    ignored = [each for each in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(each) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    fleet = Fleet()
    yield fleet
    fleet.close()
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
