"""QTasks on Redis and Valkey: the broker, the storage and the global config.

`plugin` registers them; nothing here is imported by users.
"""

from qtasks_redis._version import __version__

__all__ = ["__version__"]
