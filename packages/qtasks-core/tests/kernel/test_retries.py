"""Retries: how often, of what, after how long, and what is left to see of them."""

import pytest
from kernel.support import PATIENCE_S, wait_until
from qtasks import TaskCancelError, TaskStatus, hookimpl
from qtasks.builtins.retry import FIRST_DELAY_S, MAX_DELAY_S, delay_s
from qtasks.errors import ConfigError
from qtasks.options import TaskOptions
from qtasks.testing import running


class Failing:
    """A function that fails so many times, then returns how often it ran."""

    def __init__(self, times, error=ValueError):
        self.runs = 0
        self.times = times
        self.error = error

    def __call__(self):
        self.runs += 1
        if self.runs <= self.times:
            raise self.error(f"run {self.runs}")
        return self.runs


@pytest.mark.parametrize("retry", [None, 0])
def test_without_retries_a_task_runs_once(app, retry):
    function = Failing(1)
    task = app.task("t", retry=retry)(function)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).status is TaskStatus.ERROR
    assert function.runs == 1


def test_n_retries_are_n_plus_one_runs(app):
    function = Failing(100)
    task = app.task("t", retry=3, retry_delay=0)(function)
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert function.runs == 4
    assert (failed.status, failed.error, failed.retry) == (TaskStatus.ERROR, "ValueError: run 4", 0)


def test_a_retry_that_succeeds_is_a_success(app):
    task = app.task("t", retry=3, retry_delay=0)(Failing(2))
    with running(app):
        added = task.add_task()
        done = added.wait_result(PATIENCE_S)
    assert (done.status, done.returning, done.uuid, done.error) == (TaskStatus.SUCCESS, 3, added.uuid, "")
    assert (done.retry_parent_uuid, done.retry_child_uuid) == (None, None)


def test_the_history_tells_every_attempt(app):
    task = app.task("t", retry=2, retry_delay=0)(Failing(100))
    with running(app, name="me"):
        failed = task.add_task(timeout=PATIENCE_S)
    first, second = failed.record.history
    assert (first.attempt, first.error, first.worker, first.crash) == (0, "ValueError: run 1", "me", False)
    assert (second.attempt, second.error) == (1, "ValueError: run 2")
    assert 0 < first.started <= first.finished <= second.started
    assert failed.record.attempt == 2


def test_only_the_named_exceptions_and_those_below_them_are_retried(app):
    by_class = Failing(1, KeyError)
    other = Failing(1, ValueError)
    retried = app.task("retried", retry=1, retry_delay=0, retry_on_exc=[LookupError])(by_class)
    final = app.task("final", retry=1, retry_delay=0, retry_on_exc=[LookupError])(other)
    with running(app):
        assert retried.add_task(timeout=PATIENCE_S).result() == 2
        assert final.add_task(timeout=PATIENCE_S).status is TaskStatus.ERROR
    assert other.runs == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_is_no_exception_but_an_exit_is_not_retried(app, error):
    function = Failing(100, error)
    task = app.task("t", retry=3, retry_delay=0)(function)
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).status is TaskStatus.ERROR
    assert function.runs == 1


def test_a_task_that_cancels_itself_is_not_retried(app):
    function = Failing(100, TaskCancelError)
    task = app.task("t", retry=3, retry_delay=0)(function)
    with running(app):
        cancelled = task.add_task(timeout=PATIENCE_S)
    assert (cancelled.status, cancelled.cancel_reason, function.runs) == (TaskStatus.CANCEL, "run 1", 1)


def test_a_task_waits_for_its_next_attempt_in_the_queue(memory_app, clock):
    task = memory_app.task("t", retry=1, retry_delay="1h")(Failing(1))
    with running(memory_app):
        added = task.add_task()
        waiting = wait_until(
            lambda: (found := memory_app.get(added.id)).status is TaskStatus.RETRY and found, "it waits"
        )
        assert waiting.retry == 0
        assert added.wait_result(0) is None
        clock.advance(3599)
        assert added.wait_result(0.05) is None
        clock.advance(2)
        assert added.wait_result(PATIENCE_S).result() == 2


def test_without_a_stated_delay_the_wait_doubles_with_jitter(memory_app, clock):
    task = memory_app.task("t", retry=4)(Failing(4))
    delays = []
    with running(memory_app):
        added = task.add_task()
        for attempt in range(1, 5):
            record = wait_until(
                lambda attempt=attempt: (found := memory_app.get(added.id).record).attempt == attempt and found,
                f"attempt {attempt} ended",
            )
            delays.append((record.due - record.history[-1].finished) / 1_000_000)
            clock.advance(60)
        assert added.wait_result(PATIENCE_S).result() == 5
    for ended, delay in enumerate(delays):
        assert FIRST_DELAY_S * 2**ended <= delay <= FIRST_DELAY_S * 2**ended * 1.5


@pytest.mark.parametrize("ended", [0, 1, 5, 11, 12, 40, 10_000])
def test_the_jitter_spreads_delays_and_has_bounds(ended):
    delays = [delay_s(TaskOptions(), ended) for _ in range(200)]
    shortest = min(FIRST_DELAY_S * 2 ** min(ended, 40), MAX_DELAY_S)
    assert all(shortest <= delay <= shortest * 1.5 for delay in delays)
    assert len({round(delay, 6) for delay in delays}) > 100


@pytest.mark.parametrize(
    ("retry_delay", "delays"),
    [
        (5, [5, 5, 5, 5]),
        ("2m", [120, 120, 120, 120]),
        ([1, "1m"], [1, 60, 60, 60]),
        ((0,), [0, 0, 0, 0]),
        (lambda ended: ended**2, [1, 4, 9, 16]),
    ],
)
def test_a_stated_delay_is_kept_exactly(retry_delay, delays):
    options = TaskOptions(retry_delay=retry_delay)
    assert [delay_s(options, ended) for ended in range(4)] == delays


@pytest.mark.parametrize("retry_delay", ["soon", -1, [], [1, "soon"], float("nan"), object()])
def test_a_delay_that_is_none_is_refused_when_the_task_is_declared(memory_app, retry_delay):
    with pytest.raises(ConfigError, match="retry_delay"):
        memory_app.task(retry=1, retry_delay=retry_delay)(print)


@pytest.mark.parametrize("retry", [-1, 1.5, "3", True, 10_001])
def test_a_number_of_retries_that_is_none_is_refused(memory_app, retry):
    with pytest.raises(ConfigError, match="retry: expected how many times to repeat"):
        memory_app.task(retry=retry)(print)


def test_one_exception_that_is_not_in_a_list_is_refused(memory_app):
    with pytest.raises(ConfigError, match="takes a list, found <class 'ValueError'>"):
        memory_app.task(retry=1, retry_on_exc=ValueError)(print)


def test_a_plugin_may_decide_about_retries(app):
    class Once:
        @hookimpl
        def worker_task_error_retry(self, model, e):
            return None if isinstance(e, KeyError) else model

    by_plugin = app.task("t", retry=1, retry_delay=0)(Failing(1, KeyError))
    app.add_plugin(Once())
    with running(app):
        assert by_plugin.add_task(timeout=PATIENCE_S).result() == 2


def test_a_plugin_that_fails_to_decide_leaves_the_error_of_the_task(app):
    class Broken:
        @hookimpl
        def worker_task_error_retry(self):
            raise RuntimeError("of the plugin")

    task = app.task("t", retry=1, retry_delay=0)(Failing(100))
    app.add_plugin(Broken())
    with running(app):
        failed = task.add_task(timeout=PATIENCE_S)
    assert failed.error == "ValueError: run 1"
    assert "of the plugin" in failed.record.error.causes[-1]


def test_a_delay_function_that_fails_leaves_the_error_of_the_task(app):
    task = app.task("t", retry=1, retry_delay=lambda ended: "soon")(Failing(100))
    with running(app):
        assert task.add_task(timeout=PATIENCE_S).error == "ValueError: run 1"


def test_what_is_no_exception_type_is_refused_when_the_task_is_declared():
    with pytest.raises(ConfigError, match="retry_on_exc: expected types of exceptions, found 'ValueError'"):
        TaskOptions.build(retry=1, retry_on_exc=["ValueError"])
