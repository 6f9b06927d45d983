"""`qtasks doctor`: what it finds, and when that is a problem."""

import json
from pathlib import Path

import pytest
from stats.support import HandWorker, bury, do

UNHEALTHY = 3


def findings(answer, state):
    return {finding["check"]: finding for finding in json.loads(answer.stdout) if finding["state"] == state}


def test_a_fresh_installation_is_healthy_and_lacks_a_worker(qtasks):
    answer = qtasks("doctor", "--json")
    assert answer.exit_code == 0
    assert list(findings(answer, "ok")) == ["versions", "application", "broker", "storage"]
    assert list(findings(answer, "warning")) == ["workers"]


def test_tasks_that_nobody_takes_are_a_problem_with_its_mend(qtasks, queue):
    queue.add_task("a")
    answer = qtasks("doctor", "--json")
    assert answer.exit_code == UNHEALTHY
    problem = findings(answer, "problem")["queues"]
    assert problem["found"] == "default: 1 waiting, 0 delayed, and no worker serves it"
    assert problem["mend"].endswith("run -Q default")


def test_tasks_whose_time_has_not_come_are_a_warning(qtasks, queue):
    @queue.task
    def later():
        """It is not run."""

    later.options(delay="1h").add_task()
    answer = qtasks("doctor", "--json")
    assert answer.exit_code == 0
    assert findings(answer, "warning")["queues"]["found"] == "default: 0 waiting, 1 delayed, and no worker serves it"


def test_tasks_that_a_worker_serves_are_none(qtasks, queue):
    queue.add_task("a")
    HandWorker(queue).report()
    answer = qtasks("doctor", "--json")
    assert answer.exit_code == 0
    assert findings(answer, "ok")["workers"]["found"] == "1 running with 2 slots"


def test_a_paused_queue_with_tasks_is_a_warning(qtasks, queue):
    queue.add_task("a")
    HandWorker(queue).report()
    do(queue, lambda link: link.broker.set_paused("default", paused=True))
    assert "paused" in findings(qtasks("doctor", "--json"), "warning")["queues"]["found"]


def test_dead_letters_are_a_warning(qtasks, queue):
    bury(queue, "a", "b")
    warning = findings(qtasks("doctor", "--json"), "warning")["dead letters"]
    assert warning["found"] == "2 were not replayed"
    assert warning["mend"].endswith(" stats inspect dlq")


def test_a_clock_that_is_ahead_is_a_warning(qtasks, queue):
    HandWorker(queue).report(beat=queue.runtime.clock.wall_us() + 60_000_000)
    assert "here is ahead of ours" in findings(qtasks("doctor", "--json"), "warning")["clock"]["found"]


def test_nothing_of_the_probe_is_left_behind(qtasks, queue):
    qtasks("doctor")
    assert do(queue, lambda link: link.storage.find_values("")) == {}


def test_text_shows_each_finding_with_its_mend_below_it(qtasks):
    lines = qtasks("doctor").stdout.splitlines()
    assert lines[0].startswith("ok       versions      qtasks ")
    assert lines[-2:] == [
        "warning  workers       None is running",
        "                       -> qtasks -A module:var run",
    ]


def test_what_mends_it_can_be_pasted(installed, app_file):
    installed("-A", "app:app", "call", "add")
    found = json.loads(installed("-A", "app:app", "doctor", "--json")[1])
    mends = {finding["check"]: finding["mend"] for finding in found if finding["mend"]}
    assert mends == {"workers": "qtasks -A app:app run", "queues": "qtasks -A app:app run -Q default"}


def test_an_application_that_is_not_there_is_a_problem(installed):
    code, out, _ = installed("-A", "nosuch:app", "doctor")
    assert code == UNHEALTHY
    assert "problem  application   There is no module 'nosuch'" in out


@pytest.mark.needs("sqlite")
def test_the_durability_of_the_sqlite_file_is_told(installed):
    code, out, _ = installed("-u", "sqlite:///queue.db?durability=full", "doctor", "--json")
    assert code == 0
    found = {finding["check"]: finding["found"] for finding in json.loads(out)}["sqlite"]
    assert "journal wal, durability full: tasks survive a power cut" in found


@pytest.mark.needs("sqlite")
def test_a_file_that_others_can_open_is_a_warning(installed):
    installed("-u", "sqlite:///queue.db", "doctor")
    Path("queue.db").chmod(0o644)
    code, out, _ = installed("-u", "sqlite:///queue.db", "doctor")
    assert code == 0
    assert f"chmod 600 {Path('queue.db').absolute()}" in out


@pytest.mark.needs("sqlite")
@pytest.mark.parametrize(
    ("content", "url", "says"),
    [
        (None, "sqlite:///no/such/place.db", "cannot be created"),
        (b"not a database, but long enough to be looked at" * 40, "sqlite:///queue.db", "queue.db .recover"),
    ],
)
def test_a_broker_that_cannot_be_opened_is_a_problem(installed, content, url, says):
    if content is not None:
        Path("queue.db").write_bytes(content)
    code, out, err = installed("-u", url, "doctor")
    assert code == UNHEALTHY
    assert "problem  broker" in out
    assert says in out
    assert err == ""


@pytest.mark.needs("sqlite")
def test_a_file_that_cannot_be_written_is_a_problem(installed):
    installed("-u", "sqlite:///queue.db", "doctor")
    code, out, _ = installed("-u", "sqlite:///queue.db?mode=ro", "doctor")
    assert code == UNHEALTHY
    assert "read-only" in out
