"""The conformance suite: what every broker, storage and global config must do, ours and strangers'.

A backend's tests subclass these classes, and those of `qtasks_testkit.machine` and `qtasks_testkit.mutants`, and
provide one fixture, `new_place`: a function that makes a new, empty `qtasks_testkit.rig.Place` at every call. What a
broker does not declare in its capabilities is skipped, visibly. Nothing here knows a particular backend.
"""

from qtasks_testkit.conformance.broker import BrokerConformance
from qtasks_testkit.conformance.global_config import GlobalConfigConformance
from qtasks_testkit.conformance.queue import SplitBrokerConformance
from qtasks_testkit.conformance.split import SplitStorageConformance
from qtasks_testkit.conformance.storage import ReportConformance, StorageConformance, ValueConformance

__all__ = [
    "BrokerConformance",
    "GlobalConfigConformance",
    "ReportConformance",
    "SplitBrokerConformance",
    "SplitStorageConformance",
    "StorageConformance",
    "ValueConformance",
]
