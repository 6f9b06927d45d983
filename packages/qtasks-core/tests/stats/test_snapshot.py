"""What is told of the application, its queues, task names and workers."""

import json

import pytest
from qtasks.errors import TaskNotRegisteredError
from qtasks.stats import SyncStats
from stats.support import HandWorker, bury, counts_of, do


def told(app, aspect, *names):
    return json.loads(getattr(SyncStats(app).inspect(), aspect)(*names, json=True))


def test_a_queue_tells_its_depth_by_state(app):
    bury(app, "a")
    for _ in range(3):
        app.add_task("a")
    HandWorker(app).take()
    do(app, lambda link: link.broker.set_paused("default", paused=True))
    [queue] = told(app, "queues")
    assert (queue["ready"], queue["running"], queue["dead"]) == (2, 1, 1)
    assert (queue["paused"], queue["enqueued"], queue["finished"]) == (True, 4, 1)


def test_consumers_are_the_workers_that_serve_the_queue(app):
    app.add_task("a")
    HandWorker(app, "default", "mail").report()
    HandWorker(app, "mail").report()
    assert [(queue["name"], queue["consumers"]) for queue in told(app, "queues")] == [("default", 1)]


def test_the_second_look_tells_the_rates_since_the_first(app):
    stats = SyncStats(app)
    stats.inspect()
    app.add_task("a")
    one = json.loads(stats.inspect().queues(json=True))
    two = json.loads(stats.inspect().queues(json=True))
    assert one[0]["in_per_s"] > 0
    assert one[0]["out_per_s"] == 0
    assert two[0]["in_per_s"] == 0


def test_the_first_look_claims_no_rates(app):
    app.add_task("a")
    [queue] = told(app, "queues")
    assert queue["in_per_s"] is queue["out_per_s"] is None


def test_a_task_name_tells_its_counts_and_percentiles(app):
    counts = counts_of([1000] * 98 + [60_000_000] * 2, [10] * 100, runs=100, successes=60, failures=20, retries=20)
    counts.last_error = "ValueError: no"
    HandWorker(app).report({"charge": counts})
    [task] = told(app, "tasks", "charge")
    assert (task["runs"], task["successes"], task["failures"], task["retries"]) == (100, 60, 20, 20)
    assert task["success_rate"] == 0.75
    assert task["run_p50_s"] == task["run_p95_s"] == 1024 / 1_000_000
    assert task["run_p99_s"] > 60
    assert task["wait_p99_s"] == 16 / 1_000_000
    assert task["last_error"] == "ValueError: no"


def test_a_task_that_never_ran_has_no_rate_and_no_percentiles(app):
    app.task(name="idle")(lambda: None)
    [task] = told(app, "tasks")
    assert task["success_rate"] is task["run_p50_s"] is task["wait_p99_s"] is None


def test_a_registered_task_tells_what_was_declared(app):
    def handle(value):
        return value

    @app.task(queue="mail", retry=2, retry_on_exc=[OSError], generate_handler=handle, colour="red")
    def send(to):
        """Send a mail.

        At length.
        """
        yield to

    [task] = told(app, "tasks", "send")
    assert (task["kind"], task["queue"], task["description"]) == ("generator", "mail", "Send a mail.")
    assert task["options"]["retry"] == 2
    assert task["options"]["retry_on_exc"] == ["OSError"]
    assert task["options"]["generate_handler"].endswith("handle")
    assert task["options"]["colour"] == "red"
    assert "priority" not in task["options"]


def test_tasks_that_only_ran_elsewhere_are_told_too(app):
    app.task(name="here")(lambda: None)
    HandWorker(app).report({"elsewhere": counts_of([1], runs=1)})
    assert [(task["name"], task["kind"]) for task in told(app, "tasks")] == [("elsewhere", ""), ("here", "sync")]


def test_an_unknown_task_name_is_answered_with_the_nearest(app):
    app.task(name="charge")(lambda: None)
    with pytest.raises(TaskNotRegisteredError, match="'chrage'") as caught:
        SyncStats(app).inspect().task("chrage")
    assert "charge" in caught.value.hint


def test_a_worker_tells_its_slots_and_what_it_runs(app):
    now = app.runtime.clock.wall_us()
    running = [{"id": "ab" * 16, "task": "charge", "started": now - 3_000_000}]
    HandWorker(app).report(running=running, rss_bytes=50 * 2**20, cpu_s=1.5, lag_s=0.002, refused=1)
    [worker] = told(app, "workers")
    assert (worker["host"], worker["pid"], worker["slots"], worker["free"]) == ("here", 4711, 2, 1)
    assert 90 <= worker["uptime_s"] < 100
    assert 1 <= worker["beat_age_s"] < 10
    assert 3 <= worker["running"][0]["elapsed_s"] < 10
    assert worker["refused"] == 1
    text = SyncStats(app).inspect().workers()
    assert "50 MiB" in text
    assert "ab" * 16 in text


def test_the_application_tells_its_sums(app):
    app.task(name="here")(lambda: None)
    app.add_task("here")
    app.add_task("here")
    HandWorker(app).take()
    HandWorker(app).report()
    HandWorker(app, "mail").report()
    facts = told(app, "app")
    assert (facts["name"], facts["tasks"], facts["workers"], facts["slots"]) == ("shop", 1, 2, 4)
    assert (facts["queues"], facts["ready"], facts["running"]) == (1, 1, 1)
    assert {"core", "retry"} <= set(facts["plugins"])


def test_the_plugins_are_told_with_their_hooks(app):
    core, *_ = told(app, "plugins")
    assert (core["name"], core["distribution"], core["state"]) == ("core", "qtasks-core", "loaded")
    assert "register_brokers" in core["hooks"]
