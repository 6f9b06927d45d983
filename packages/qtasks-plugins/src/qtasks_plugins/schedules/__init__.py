"""Schedules: tasks that are enqueued at their times, once per slot, by whichever worker or timer is there.

The names are imported when they are first used: every application loads this package with the plugin.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtasks_plugins.schedules.schedule import Schedule
    from qtasks_plugins.schedules.timers import AsyncTimer, SyncTimer

__all__ = ["AsyncTimer", "Schedule", "SyncTimer"]

_HOMES = {"AsyncTimer": "timers", "Schedule": "schedule", "SyncTimer": "timers"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
