"""What a call may say beside its arguments: priority, queue, delay, moment, expiry, uniqueness."""

import datetime as dt

import pytest
from kernel.support import PATIENCE_S, troubled_app
from qtasks import QueueConfig, QueueTasks, TaskStatus
from qtasks.errors import BackendUnavailableError, ConfigError, UnsupportedError
from qtasks.ports import Capabilities
from qtasks.testing import running

UTC = dt.UTC


def order_of_runs(app, *calls):
    """Add prepared calls in one batch, run them one at a time, and return the order in which they ran."""
    ran = app.tasks["note"].function.ran
    tasks = app.add_tasks(calls)
    with running(app, concurrency=1):
        assert all(task.wait_result(PATIENCE_S) for task in tasks)
    return ran


class Note:
    __name__ = "note"

    def __init__(self):
        self.ran = []

    def __call__(self, name):
        self.ran.append(name)


# Priorities.


def test_lower_priorities_run_first_and_equal_ones_in_order(app):
    note = app.task(Note())
    calls = [note.options(priority=priority)(f"{priority}{name}") for name in "ab" for priority in (5, -5, 0)]
    assert order_of_runs(app, *calls) == ["-5a", "-5b", "0a", "0b", "5a", "5b"]


def test_the_priority_of_the_call_beats_the_task_and_the_task_the_config(url):
    app = QueueTasks("kernel", url, config=QueueConfig(task_default_priority=9))
    plain, own = app.task("plain")(print), app.task("own", priority=4)(print)
    assert [
        plain.add_task().priority,
        own.add_task().priority,
        own.add_task(priority=0).priority,
        app.add_task("plain").priority,
        app.add_task("own").priority,
        app.add_task("own", priority=1).priority,
        app.add_task("elsewhere").priority,
    ] == [9, 4, 0, 9, 4, 1, 9]
    app.close()


@pytest.mark.parametrize("priority", ["high", 1.5, 2**31, -(2**31) - 1, True])
def test_a_priority_is_an_integer_of_32_bits(memory_app, priority):
    task = memory_app.task("t")(print)
    with pytest.raises(ConfigError, match="priority: expected an integer of 32 bits"):
        task.add_task(priority=priority)
    with pytest.raises(ConfigError, match="priority: expected an integer of 32 bits"):
        memory_app.task("u", priority=priority)(print)


# Queues.


def test_a_worker_serves_the_queues_of_its_tasks(app):
    mail, default = app.task("mail", queue="mail")(lambda: "m"), app.task("default")(lambda: "d")
    with running(app) as block:
        assert block.worker.queues == ["default", "mail"]
        assert mail.add_task(timeout=PATIENCE_S).result() == "m"
        assert default.add_task(timeout=PATIENCE_S).result() == "d"


def test_a_worker_of_one_queue_leaves_the_others_alone(app):
    mail, default = app.task("mail", queue="mail")(lambda: "m"), app.task("default")(lambda: "d")
    with running(app, queues=["mail"]):
        waiting = default.add_task()
        assert mail.add_task(timeout=PATIENCE_S).result() == "m"
        assert app.get(waiting.id).status is TaskStatus.NEW


def test_the_queue_of_the_call_beats_that_of_the_task(app):
    task = app.task("t", queue="slow")(lambda: 1)
    with running(app, queues=["fast"]):
        done = task.options(queue="fast", timeout=PATIENCE_S)().add_task()
    assert (done.queue, done.result()) == ("fast", 1)


@pytest.mark.parametrize("queue", ["", "a b", "a/b", "ü", "x" * 129, 3])
def test_a_queue_has_a_name(memory_app, queue):
    with pytest.raises(ConfigError, match=r"queue: .* is not a name"):
        memory_app.task("t", queue=queue)(print)


# Delays, moments and expiry.


@pytest.mark.parametrize(
    "options",
    [{"delay": 60}, {"delay": "1m"}, {"delay": dt.timedelta(minutes=1)}, {"eta": 60}],
    ids=["seconds", "text", "timedelta", "eta"],
)
def test_a_delayed_task_starts_when_its_time_has_come_and_not_before(memory_app, clock, options):
    task = memory_app.task("t")(lambda: "ran")
    if "eta" in options:
        options = {"eta": dt.datetime.fromtimestamp(clock.wall_us() / 1_000_000 + 60, tz=UTC)}
    with running(memory_app):
        added = task.options(**options).add_task()
        clock.advance(59)
        assert added.wait_result(0.05) is None
        clock.advance(1.5)
        assert added.wait_result(PATIENCE_S).result() == "ran"


def test_a_moment_in_another_time_zone_is_the_same_moment(memory_app, clock):
    task = memory_app.task("t")(print)
    moment = dt.datetime(2100, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=5)))
    added = task.options(eta=moment).add_task()
    assert added.message.due == int(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize("year", [1, 1960, 1970, 2001])
def test_a_moment_that_has_passed_is_now(app, year):
    task = app.task("t")(lambda: "ran")
    with running(app):
        done = task.options(eta=dt.datetime(year, 1, 2, tzinfo=UTC), timeout=PATIENCE_S).add_task()
    assert done.result() == "ran"


def test_the_last_moment_that_there_is_can_be_waited_for(app):
    task = app.task("t")(print)
    added = task.options(eta=dt.datetime.max.replace(tzinfo=UTC)).add_task()
    with running(app, burst=True):
        pass
    assert app.get(added.id).status is TaskStatus.NEW


@pytest.mark.parametrize("option", ["eta", "expires"])
def test_a_moment_without_a_time_zone_is_refused(memory_app, option):
    task = memory_app.task("t")(print)
    with pytest.raises(ValueError, match=f"^{option}: .* has no time zone") as raised:
        task.options(**{option: dt.datetime(2100, 1, 1)})  # noqa: DTZ001 - that is the point
    assert "timezone.utc" in raised.value.hint


@pytest.mark.parametrize(
    "options",
    [{"delay": "soon"}, {"delay": -1}, {"delay": float("nan")}, {"delay": []}, {"eta": "2100"}, {"expires": "never"}],
)
def test_what_is_no_time_is_refused_when_the_options_are_given(memory_app, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        memory_app.task("t")(print).options(**options)


def test_delay_and_eta_exclude_each_other(memory_app):
    with pytest.raises(ConfigError, match="Give delay= or eta=, not both"):
        memory_app.task("t")(print).options(delay=1, eta=dt.datetime.now(UTC))


def test_a_task_that_nobody_took_in_time_expires(memory_app, clock):
    ran = []
    task = memory_app.task("t")(ran.append)
    late = task.options(expires="10s").add_task(1)
    in_time = task.options(expires=dt.datetime.fromtimestamp(clock.wall_us() / 1e6 + 60, tz=UTC)).add_task(2)
    clock.advance(11)
    with running(memory_app):
        assert late.wait_result(PATIENCE_S).status is TaskStatus.EXPIRED
        assert in_time.wait_result(PATIENCE_S).status is TaskStatus.SUCCESS
    assert ran == [2]


# Unique tasks.


def test_while_a_unique_task_is_open_its_handle_is_given_again(app):
    task = app.task("t")(lambda x: x)
    first = task.options(unique="report-7").add_task(1)
    second = task.options(unique="report-7").add_task(2)
    assert (first.args, second.args) == ([1], [1])  # it is the open task, not the call that was not added
    other = task.options(unique="report-8").add_task(3)
    assert first.id == second.id != other.id
    with running(app):
        assert second.wait_result(PATIENCE_S).result() == 1
        third = task.options(unique="report-7", timeout=PATIENCE_S).add_task(4)
        assert third.id != first.id
        assert third.result() == 4


def test_a_unique_key_counts_within_one_batch(app):
    task = app.task("t")(lambda x: x)
    call = task.options(unique="once")
    first, second = app.add_tasks([call(1), call(2)])
    assert first.id == second.id


@pytest.mark.parametrize("unique", ["", "x" * 513, 3, b"key"])
def test_a_unique_key_is_a_text(memory_app, unique):
    with pytest.raises(ConfigError, match="unique: expected a text of 1 to 512 characters"):
        memory_app.task("t")(print).options(unique=unique)


@pytest.mark.parametrize(
    ("option", "mend"),
    [
        ("countdown", "Here it is delay= of a call: task.options(delay=...)."),
        ("retry", "It is an option of the task: @app.task(retry=...)."),
        ("dellay", "Did you mean 'delay'?"),
        ("colour", "There are delay, eta, expires, headers, priority, queue, timeout, unique."),
    ],
)
def test_an_option_that_a_call_does_not_have_is_told_with_what_is_meant(memory_app, option, mend):
    with pytest.raises(ConfigError, match=f"A call has no option '{option}'") as raised:
        memory_app.task("t")(print).options(**{option: 1})
    assert raised.value.hint == mend


# What a broker cannot do is refused by name.


@pytest.mark.parametrize(
    ("lacking", "options", "named"),
    [
        ({"priority": "none"}, {"priority": 3}, "priority=3"),
        ({"delay": False}, {"delay": 3}, "delay= and eta="),
        ({"unique": False}, {"unique": "k"}, "unique="),
    ],
)
def test_an_option_that_the_broker_lacks_is_refused(monkeypatch, lacking, options, named):
    app, trouble = troubled_app()
    monkeypatch.setattr(type(app.broker), "capabilities", Capabilities(**lacking))
    task = app.task("t")(print)
    with pytest.raises(UnsupportedError, match=f"TroubledBroker cannot honour {named} "):
        task.options(**options).add_task()
    assert trouble.calls.get("publish", 0) == 0
    assert task.add_task().status is TaskStatus.NEW


def test_a_broker_that_fails_is_told_to_who_adds():
    app, trouble = troubled_app()
    task = app.task("t")(print)
    trouble.refuse("publish")
    with pytest.raises(BackendUnavailableError):
        task.add_task()
    trouble.refuse("publish")
    with pytest.raises(ConnectionError):
        app.add_task("t")
