"""The conformance suite of brokers, of one that comes with a storage of its own.

The claims are in modules by subject; a backend's tests subclass `BrokerConformance` and get them all.
"""

from __future__ import annotations

from conformance.control import Cancelling, Pausing, Purging
from conformance.finishing import Facts, Finishing, Keeping, PuttingBack
from conformance.leases import Fencing, Leases, Releasing
from conformance.lifecycle import LifeCycle
from conformance.publishing import Publishing, UniqueKeys
from conformance.streams import Streams
from conformance.taking import HandingOver, LostReplies, Order, Times
from conformance.waiting import Pushing, WaitingForResults, WaitingForTasks


class BrokerConformance(
    LifeCycle,
    Publishing,
    UniqueKeys,
    Order,
    HandingOver,
    Times,
    LostReplies,
    Leases,
    Fencing,
    Releasing,
    Finishing,
    PuttingBack,
    Keeping,
    Facts,
    Cancelling,
    Pausing,
    Purging,
    Streams,
    WaitingForResults,
    WaitingForTasks,
    Pushing,
):
    """Everything that `qtasks.ports.Broker` promises."""
