"""What a component promises about its life: made, opened, closed, and opened again; used from any thread."""

from __future__ import annotations

import pytest

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.rig import OpenRig, Place, Rig


class LifeCycle(Conformance):
    """Claims about `open`, `close` and the blocking view, of a broker and its storage."""

    def test_opening_and_closing_may_be_repeated(self, rig: Rig) -> None:
        for component in (rig.broker, rig.storage):
            component.open()
            component.close()
            component.close()
            component.open()
        assert rig.status(rig.add()) == "new"

    def test_closing_what_was_never_opened_is_allowed(self, rig: Rig, place: Place) -> None:
        for component in place.connect(rig.context):
            rig.face.call(rig.face.view(component).close())

    def test_tasks_outlive_the_connection(self, rig: Rig, open_rig: OpenRig) -> None:
        task = rig.add()
        rig.broker.close()
        rig.storage.close()
        assert [delivery.id for delivery in open_rig().worker().take()] == [task]
        rig.broker.open()
        rig.storage.open()
        assert rig.status(task) == "process"

    def test_every_connection_sees_what_the_others_did(self, rig: Rig, open_rig: OpenRig) -> None:
        other = open_rig()
        task = rig.add()
        worker = other.worker()
        [delivery] = worker.take()
        assert rig.status(task) == "process"
        rig.broker.cancel(task, "no")
        assert other.broker.cancel_requests(worker.owner) == {task: "no"}
        worker.succeed(delivery)
        assert rig.record(task) == other.record(task)

    @pytest.mark.parametrize("face", ["blocking"])
    def test_blocking_view_may_be_called_from_any_thread(self, rig: Rig) -> None:
        calls = [rig.broker.start("publish", [rig.envelope() for _ in range(5)]) for _ in range(6)]
        tasks = {task for accepted in calls for task in accepted()}
        assert {delivery.id for delivery in rig.worker().take(50)} == tasks
        assert len(tasks) == 30
