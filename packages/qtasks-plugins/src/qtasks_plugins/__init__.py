"""Plugins of QTasks, each a package with an entry point of its own.

Users import their names from `qtasks.plugins`.
"""

from qtasks_plugins._version import __version__

__all__ = ["__version__"]
