"""The base of the fault suites: fleets at the queue of one backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest
from qtasks.message import new_id

from qtasks_testkit.faults.fleet import Fleet

OpenFleet: TypeAlias = Callable[..., Fleet]
Figure: TypeAlias = Callable[[str], None]


class Faults:
    """The base of all fault suites: a subclass provides `fleet_url`, and may say how fast its backend is."""

    recovers_within_s: ClassVar[float] = 17.0
    """How long after the death of all workers everything may be done: by default the lease of 15 s and 2 s more."""

    hands_back_within_s: ClassVar[float] = 0.5
    """How long after the death of one process its tasks may be missing."""

    @pytest.fixture
    def fleet_url(self) -> str:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `fleet_url`: the URL of a new, empty queue")

    @pytest.fixture
    def open_fleet(self, fleet_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenFleet]:
        """Open another fleet of one application; all of them end with the test, however that went."""
        monkeypatch.chdir(tmp_path)
        name = f"fleet.{new_id()}"  # many tests may share a server
        numbers = count()
        with ExitStack() as opened:

            def open_fleet(url: str = fleet_url, **options: Any) -> Fleet:
                return opened.enter_context(closing(Fleet(url, name, log=f"log-{next(numbers)}", **options)))

            yield open_fleet

    @pytest.fixture
    def fleet(self, open_fleet: OpenFleet) -> Fleet:
        return open_fleet()
