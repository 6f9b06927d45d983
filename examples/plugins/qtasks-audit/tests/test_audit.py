"""Who added a task is noted when it ends, and told by the command and by the statistics."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from qtasks import QueueTasks
from qtasks.stats import SyncStats
from qtasks.testing import running
from qtasks_audit.plugin import AuditPlugin
from qtasks_audit.trail import Trail

PATIENCE_S = 20.0


@pytest.fixture
def trail(tmp_path, monkeypatch):
    monkeypatch.setenv("QTASKS_AUDIT", str(tmp_path / "audit.jsonl"))
    return Trail.from_environment()


@pytest.fixture
def app(trail):
    """An application with this plugin alone, whoever else is installed."""
    app = QueueTasks("audited", broker_url="memory://audited", plugins=[])
    app.add_plugin(AuditPlugin(user="ada@here"))
    app.task("double")(lambda x: x * 2)
    return app


def run(app, *arguments):
    """Let a worker run a task for each argument and drain; what it noted is complete then."""
    with running(app):
        return [app.add_task("double", argument, timeout=PATIENCE_S) for argument in arguments]


def qtasks(*words):
    command = [str(Path(sys.executable).with_name("qtasks")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_who_added_a_task_is_noted_when_it_ends(app, trail):
    good, bad = run(app, 2, None)
    assert [(line.by, line.task, line.id, line.status) for line in trail.read()] == [
        ("ada@here", "double", good.id, "success"),
        ("ada@here", "double", bad.id, "error"),
    ]


def test_the_section_adds_up_by_author_and_task(app):
    run(app, 1, 2, None)
    [row] = SyncStats(app).section("audit")
    assert (row["by"], row["task"], row["ended"], row["successes"]) == ("ada@here", "double", 3, 2)
    assert SyncStats(app).section("audit", "nobody") == []


def test_the_command_shows_the_trail(app):
    [task] = run(app, 2)
    assert f"ada@here  double  {task.id}  success" in qtasks("audit")
    assert qtasks("audit", "--by", "nobody") == ""


def test_the_installed_plugin_is_found(trail):
    [audit] = [plugin for plugin in json.loads(qtasks("plugins", "list", "--json")) if plugin["name"] == "audit"]
    assert (audit["state"], audit["distribution"]) == ("loaded", "qtasks-audit")
    assert "Who had how many tasks run" in qtasks("stats", "inspect", "--help")
