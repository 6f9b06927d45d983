"""What pytest finds where qtasks-core is installed: the fixture `qtasks_world`.

Every run of pytest there imports this module, so it imports nothing of QTasks before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from qtasks.testing.world import WorldFactory


@pytest.fixture
def qtasks_world() -> Iterator[WorldFactory]:
    """Give an application a world for the length of a test.

    `world = qtasks_world(app)` takes what `World` takes. The world of an application of `qtasks.asyncio` is awaited,
    `await world.run()`; that of another one blocks.
    """
    from qtasks.testing.world import world_of

    with ExitStack() as worlds:
        yield lambda app, **options: worlds.enter_context(world_of(app, **options))
