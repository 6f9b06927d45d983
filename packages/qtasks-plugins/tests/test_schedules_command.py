"""`qtasks schedule` and `qtasks stats inspect schedules`, without the code of the application."""

import json
import time

import pytest
from click.testing import CliRunner
from qtasks import QueueTasks
from qtasks.cli import main
from qtasks.plugins import Schedule
from qtasks.testing import running
from qtasks_plugins.schedules.commands import COLUMNS

pytestmark = pytest.mark.needs("sqlite")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/queue.db"


@pytest.fixture
def app(url):
    """An application whose worker has noted its schedules, and has ended."""
    app = QueueTasks("shop", url)
    app.task("report", schedule=Schedule(cron="0 9 * * *", tz="Europe/Berlin", args=["full"]))(lambda kind: None)
    app.task("sweep", every="365d", queue="slow", priority=2)(lambda: None)
    with running(app):
        while len(app.runtime.run_blocking(lambda link: link.storage.find_values("schedule:"))) < 2:
            time.sleep(0.005)
    yield app
    app.close()


@pytest.fixture
def qtasks(app, url):
    def run(*words):
        return CliRunner().invoke(main, ["-u", url, "--namespace", "shop", *words], catch_exceptions=False)

    return run


def test_schedules_are_listed(qtasks):
    lines = qtasks("schedule", "ls").output.splitlines()
    assert lines[0].split() == COLUMNS.upper().split()
    assert [line.split()[0] for line in lines[1:]] == ["report", "sweep"]
    assert "0 9 * * *   Europe/Berlin" in lines[1]
    assert [row["expression"] for row in json.loads(qtasks("schedule", "ls", "--json").output)] == [
        "0 9 * * *",
        "every 365d",
    ]


def test_statistics_have_a_section_of_them(qtasks):
    [row] = json.loads(qtasks("stats", "inspect", "schedules", "sweep", "--json").output)
    assert (row["name"], row["paused"], row["last"]) == ("sweep", False, 0)
    assert "every 365d" in qtasks("stats", "inspect", "schedules").output


def test_next_slots_are_shown(qtasks):
    assert len(qtasks("schedule", "next").output.splitlines()) == 11
    rows = json.loads(qtasks("schedule", "next", "report", "-n", "2", "--json").output)
    assert [row["name"] for row in rows] == ["report", "report"]


def test_schedules_are_paused_and_resumed(qtasks):
    assert qtasks("schedule", "pause", "report", "sweep").output == "Paused report, sweep.\n"
    assert [row["paused"] for row in json.loads(qtasks("schedule", "ls", "--json").output)] == [True, True]
    assert qtasks("schedule", "next").output == "Nothing is to come.\n"
    assert qtasks("schedule", "resume", "report").output == "Resumed report.\n"
    [row, _] = json.loads(qtasks("schedule", "ls", "--json").output)
    assert row["paused"] is False
    assert row["next"] > 0


def test_trigger_prints_the_id_of_the_task(qtasks, app):
    [task_id] = qtasks("schedule", "trigger", "sweep").output.split()
    task = app.get(task_id)
    assert (task.task_name, task.queue, task.priority, task.args) == ("sweep", "slow", 2, [])


@pytest.mark.parametrize("command", ["next", "pause", "resume", "trigger"])
def test_unknown_schedule_is_not_found(qtasks, command):
    answer = qtasks("schedule", command, "reprot")
    assert answer.exit_code == 4
    assert "Did you mean 'report'?" in answer.output


def test_empty_list_says_where_it_looked(url):
    answer = CliRunner().invoke(main, ["-u", url, "schedule", "ls"], catch_exceptions=False)
    assert answer.output == f"No schedules of QueueTasks in {url}.\n"
