"""The version of this distribution: all distributions of QTasks carry the same."""

__version__ = "0.1.0"
