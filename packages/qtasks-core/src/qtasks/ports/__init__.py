"""The contracts between the core and everything that can be replaced.

`broker.py`, `storage.py` and `global_config.py` are what a backend implements; `components.py` is what a
program may put in the place of our worker, starter and executor; `facts.py` is what backends report.
How each method is done by which backend: `docs/explanation/decisions/0001-ports.md`.
"""

from qtasks.ports.broker import Broker
from qtasks.ports.component import Advice, BackendContext, Capabilities, Component
from qtasks.ports.facts import CancelAnswer, QueueFacts, TaskCounts, WorkerFacts
from qtasks.ports.global_config import GlobalConfig
from qtasks.ports.storage import Storage

__all__ = [
    "Advice",
    "BackendContext",
    "Broker",
    "CancelAnswer",
    "Capabilities",
    "Component",
    "GlobalConfig",
    "QueueFacts",
    "Storage",
    "TaskCounts",
    "WorkerFacts",
]
