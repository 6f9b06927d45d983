"""State that tasks share: kept in the storage of the application, and changed by one of them at a time."""

from qtasks_plugins.states.state import AsyncState, SyncState

__all__ = ["AsyncState", "SyncState"]
