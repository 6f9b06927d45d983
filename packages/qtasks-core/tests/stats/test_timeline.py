"""What is told of one task: its attempts, its end, and why it does not run."""

import json

import pytest
from qtasks.errors import ConfigError, TaskNotRegisteredError
from qtasks.message import ErrorInfo
from qtasks.stats import SyncStats
from qtasks.types import TaskStatus
from stats.support import HandWorker, bury_garbage, do


def timeline(app, task_id):
    return json.loads(SyncStats(app).inspect(task_id).task(task_id, json=True))


def waiting(app, task):
    return timeline(app, task.id)["waiting"]


def test_a_retried_task_tells_every_attempt(app):
    task = app.add_task("charge", 7, currency="EUR")
    worker = HandWorker(app)
    for status in (TaskStatus.RETRY, TaskStatus.ERROR):
        [delivery] = worker.take()
        worker.finish(delivery, status, error=ErrorInfo("OSError", "down", "Traceback: down", ["KeyError: 'x'"]))
    facts = timeline(app, task.id)
    assert [(attempt["run"], attempt["outcome"], attempt["error"]) for attempt in facts["attempts"]] == [
        (1, "retry", "OSError: down"),
        (2, "error", "OSError: down"),
    ]
    assert [attempt["worker"] for attempt in facts["attempts"]] == ["hand", "hand"]
    assert facts["attempts"][0]["took_s"] == 0.25
    assert (facts["args"], facts["kwargs"]) == ([7], {"currency": "EUR"})
    assert (facts["status"], facts["error"], facts["causes"]) == ("error", "OSError: down", ["KeyError: 'x'"])
    text = SyncStats(app).inspect(task.id).task(task.id)
    assert text.endswith("Traceback: down")


def test_the_death_of_a_worker_stands_in_the_timeline(app):
    task = app.add_task("crash")
    for _ in range(2):
        worker = HandWorker(app)
        worker.take()
        worker.die("signal 11")
    facts = timeline(app, task.id)
    assert facts["crashes"] == 2
    assert [(attempt["run"], attempt["outcome"], attempt["error"]) for attempt in facts["attempts"]] == [
        (1, "crash", "signal 11"),
        (1, "crash", "signal 11"),
    ]


def test_a_running_task_tells_since_when(app):
    task = app.add_task("long")
    HandWorker(app).take()
    facts = timeline(app, task.id)
    [attempt] = facts["attempts"]
    assert (attempt["outcome"], attempt["worker"], attempt["took_s"]) == ("process", "hand", None)
    assert attempt["started"] > 0
    assert facts["waiting"] == ""


def test_a_result_is_told(app):
    task = app.add_task("sum")
    worker = HandWorker(app)
    [delivery] = worker.take()
    worker.finish(delivery, TaskStatus.SUCCESS, result=b'{"total":3}')
    assert timeline(app, task.id)["result"] == {"total": 3}
    assert 'result     {"total":3}' in SyncStats(app).inspect(task.id).task(str(task.uuid))


def test_a_message_that_cannot_be_read_is_told_as_far_as_possible(app):
    task_id = bury_garbage(app)
    facts = timeline(app, task_id)
    assert (facts["task"], facts["status"], facts["error"]) == ("", "dead", "malformed: not an envelope")


def test_it_waits_because_no_worker_serves_its_queue(app):
    task = app.add_task("a")
    HandWorker(app, "mail").report()
    assert waiting(app, task) == "No worker serves queue default."


def test_it_waits_because_its_queue_is_paused(app):
    task = app.add_task("a")
    HandWorker(app).report()
    do(app, lambda link: link.broker.set_paused("default", paused=True))
    assert waiting(app, task) == "Queue default is paused."


def test_it_waits_because_all_slots_are_busy(app):
    task = app.add_task("a")
    HandWorker(app).report(slots=1, running=[{"id": "x", "task": "b", "started": 1}])
    assert waiting(app, task).startswith("All slots of the workers that serve queue default are busy; 1 ")


def test_it_waits_for_its_time(app):
    @app.task
    def later():
        pass

    assert waiting(app, later.options(delay="2h").add_task()) == "Its time comes in 1h 59m."


def test_it_waits_for_its_next_attempt(app):
    task = app.add_task("a")
    worker = HandWorker(app)
    [delivery] = worker.take()
    due = app.runtime.clock.wall_us() + 90_500_000
    worker.finish(delivery, TaskStatus.RETRY, due=due, error=ErrorInfo("OSError", "down"))
    assert waiting(app, task) == "Its next attempt starts in 1m 30s."


def test_it_waits_for_a_worker_that_knows_it(app):
    task = app.add_task("new-feature")
    worker = HandWorker(app)
    [delivery] = worker.take()
    worker.finish(delivery, TaskStatus.NEW, due=app.runtime.clock.wall_us() + 10_000_000)
    assert waiting(app, task).startswith("No worker that took it knew the task")


def test_a_suspect_waits_until_it_can_run_alone(app):
    task = app.add_task("a")
    worker = HandWorker(app)
    worker.take()
    worker.die("killed")
    HandWorker(app).report()
    assert waiting(app, task).endswith("one died with it, so it runs alone.")


def test_it_is_next(app):
    task = app.add_task("a")
    HandWorker(app).report()
    assert waiting(app, task) == "A worker takes it next."


def test_an_unknown_task_is_not_found(app):
    unknown = "0" * 32
    with pytest.raises(TaskNotRegisteredError, match=unknown):
        SyncStats(app).inspect(unknown).task(unknown)


def test_a_task_that_was_not_asked_for_is_refused_with_the_call_that_asks(app):
    task = app.add_task("a")
    with pytest.raises(ConfigError, match="was not looked at") as caught:
        SyncStats(app).inspect().task(task.id)
    assert task.id in caught.value.hint
