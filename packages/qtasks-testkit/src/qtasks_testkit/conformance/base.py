"""The base of every suite: fixtures that open rigs at the places of one backend.

What a rig can do is in `qtasks_testkit.rig`; the claims are in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qtasks.types import SYSTEM_CLOCK, Clock

from qtasks_testkit.faces import FACES
from qtasks_testkit.rig import FrozenClock, NewPlace, OpenRig, Place, Rig


class Conformance:
    """The base of all suites: a subclass provides `new_place`."""

    @pytest.fixture
    def new_place(self) -> NewPlace:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `new_place` that returns a NewPlace")

    @pytest.fixture
    def place(self, new_place: NewPlace) -> Place:
        return new_place()

    @pytest.fixture
    def clock(self) -> FrozenClock:
        return FrozenClock()

    @pytest.fixture(params=list(FACES))
    def face(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture
    def open_rig(self, place: Place, face: str, clock: FrozenClock) -> Iterator[OpenRig]:
        """Open another rig at the same place: another process, another namespace, another face."""
        rigs: list[Rig] = []

        def open_(face: str = face, clock: Clock = clock, **options: Any) -> Rig:
            rigs.append(Rig(place, face, clock, **options))
            return rigs[-1]

        yield open_
        for rig in reversed(rigs):
            rig.close()

    @pytest.fixture
    def rig(self, open_rig: OpenRig) -> Rig:
        return open_rig()

    @pytest.fixture
    def live_rig(self, open_rig: OpenRig) -> Rig:
        """A rig under the machine's own clocks."""
        return open_rig(clock=SYSTEM_CLOCK)
