"""Faults: what kills, freezes and feeds garbage to real workers and their connections, judged by an external ledger.

A backend's tests subclass the classes of `deaths.py`, `crashes.py` and `malformed.py`, and provide one fixture,
`fleet_url`: the URL of an empty queue. Those of a backend with a server subclass that of `outages.py`, too, and provide
`server`. `fleet.py` is what these drive; `proxy.py` is a bad network between a client and its server.
"""

from qtasks_testkit.faults.crashes import CrashPoints
from qtasks_testkit.faults.deaths import WorkerDeaths
from qtasks_testkit.faults.fleet import Fleet, until
from qtasks_testkit.faults.malformed import MalformedMessages
from qtasks_testkit.faults.outages import Outages
from qtasks_testkit.faults.proxy import FaultProxy

__all__ = ["CrashPoints", "FaultProxy", "Fleet", "MalformedMessages", "Outages", "WorkerDeaths", "until"]
