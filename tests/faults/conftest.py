"""The fixtures of the fault tests, and the figures they report at the end of the run."""

from collections.abc import Callable, Iterator

import pytest
from supervisor.fleet import Fleet

_figures: list[str] = []


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Say what was measured; all of it is printed when the run ends."""
    return _figures.append


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """An application whose `qtasks run` ends with the test, however that went."""
    fleet = Fleet()
    yield fleet
    fleet.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    for line in _figures:
        terminalreporter.write_line(f"figure: {line}")
