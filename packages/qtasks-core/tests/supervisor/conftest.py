"""The fixture of all tests here."""

from collections.abc import Iterator

import pytest
from supervisor.fleet import Fleet


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """An application whose `qtasks run` ends with the test, however that went."""
    fleet = Fleet()
    yield fleet
    fleet.close()
