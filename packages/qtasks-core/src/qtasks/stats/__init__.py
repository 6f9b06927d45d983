"""What an application can tell about itself: queues, tasks, workers, plugins and dead letters.

`snapshot.py` reads everything at one moment, `facts.py` says what the facts are, `render.py` makes text of
them. Nothing here is counted: workers do that, and everything is read from the broker and the storage.
"""

from qtasks.stats.inspect import AsyncStats, InspectStats, SyncStats

__all__ = ["AsyncStats", "InspectStats", "SyncStats"]
