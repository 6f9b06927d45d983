"""The conformance suite of brokers, of one that comes with a storage of its own.

The claims are in modules by subject; a backend's tests subclass `BrokerConformance` and get them all.
"""

from __future__ import annotations

from qtasks_testkit.conformance.control import Cancelling, Pausing, Purging
from qtasks_testkit.conformance.finishing import Facts, Finishing, Keeping, PuttingBack
from qtasks_testkit.conformance.leases import Fencing, Leases, Releasing
from qtasks_testkit.conformance.lifecycle import LifeCycle
from qtasks_testkit.conformance.publishing import Publishing, UniqueKeys
from qtasks_testkit.conformance.streams import Streams
from qtasks_testkit.conformance.taking import HandingOver, LostReplies, Order, Times
from qtasks_testkit.conformance.waiting import Pushing, WaitingForRequests, WaitingForResults, WaitingForTasks


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
    WaitingForRequests,
    Pushing,
):
    """Everything that `qtasks.ports.Broker` promises."""
