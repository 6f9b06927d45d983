"""A few seconds of the conformance suite against whatever serves a URL, for `qtasks plugins check NAME --url URL`.

    QTASKS_SMOKE_URL=redis://localhost:6379/0 python -m pytest --pyargs qtasks_testkit.smoke

It works below a namespace of its own. It is no substitute for the suite, which an author's own tests run.
"""

from __future__ import annotations

import os

import attrs
import pytest
from qtasks import QueueTasks
from qtasks.message import new_id
from qtasks.ports import BackendContext, Broker, GlobalConfig, Storage

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.conformance.queue import Messages, Ownership
from qtasks_testkit.conformance.split import SplitStorageConformance
from qtasks_testkit.conformance.storage import ValueConformance
from qtasks_testkit.rig import NO_STORAGE, NewPlace

URL = os.environ.get("QTASKS_SMOKE_URL", "")
BACKENDS = QueueTasks(broker_url="memory://").backends
SERVED = {role for role in ("broker", "storage") if URL and BACKENDS.serves(role, URL)}


class Place:
    """A namespace of its own below the URL; what does not serve it stands in memory, or nowhere."""

    def __init__(self) -> None:
        self.name = new_id()

    def connect(self, context: BackendContext) -> tuple[Broker, Storage]:
        """A broker and its storage, not yet open."""
        here = attrs.evolve(context, namespace=f"{self.name}.{context.namespace}")
        broker = BACKENDS.make("broker", URL if "broker" in SERVED else f"memory://{self.name}", here)
        return broker, BACKENDS.make("storage", URL, here) if "storage" in SERVED else NO_STORAGE

    def connect_config(self, context: BackendContext) -> GlobalConfig:
        """None is looked at."""
        raise NotImplementedError


class Smoke(Conformance):
    """Gives the claims their place."""

    @pytest.fixture
    def new_place(self) -> NewPlace:
        """Every call gives another namespace."""
        return Place


@pytest.mark.skipif("broker" not in SERVED, reason="no broker serves the URL")
class TestBroker(Smoke, Messages, Ownership):
    """What a broker must do with messages."""


@pytest.mark.skipif("storage" not in SERVED, reason="no storage serves the URL")
class TestStorage(Smoke, SplitStorageConformance, ValueConformance):
    """What a storage must keep."""
