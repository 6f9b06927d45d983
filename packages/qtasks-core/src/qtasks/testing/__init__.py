"""For the tests of programs that use QTasks: no server, no second process, no sleeping.

A world stops the clock, and runs what is due when the test says so:

    with World(app) as world:
        remind.options(delay="1d").add_task("tea")
        world.assert_enqueued("remind", "tea")
        [task] = world.advance("1d")
        assert task.result() == "tea"

The fixture `qtasks_world` of pytest makes one. Below it, `in_memory(app)` gives an application a queue in memory, and
`running(app)` a worker for the length of a block, `with` in a thread or `async with` on the test's own event loop.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks.testing.memory import MovableClock, in_memory
    from qtasks.testing.worker import RunningWorker, running
    from qtasks.testing.world import AsyncWorld, World, WorldFactory

__all__ = ["AsyncWorld", "MovableClock", "RunningWorker", "World", "WorldFactory", "in_memory", "running"]

_HOMES = {
    "memory": ["MovableClock", "in_memory"],
    "worker": ["RunningWorker", "running"],
    "world": ["AsyncWorld", "World", "WorldFactory"],
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
