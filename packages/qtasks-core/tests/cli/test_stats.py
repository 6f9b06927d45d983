"""`qtasks stats inspect` and `qtasks plugins list`."""

import json
import re
from pathlib import Path

import pytest
from qtasks.cli import stats as stats_module

OLD_STYLE_PLUGIN = """
class Mine:
    def trigger(self, name, **kwargs):
        return None


app.add_plugin(Mine())
"""


@pytest.mark.parametrize("aspect", ["app", "tasks", "queues", "workers", "plugins", "dlq"])
@pytest.mark.parametrize("spelling", ["--json", "json=true"])
def test_every_aspect_is_told_as_json(qtasks, aspect, spelling):
    answer = qtasks("stats", "inspect", aspect, spelling)
    assert answer.exit_code == 0
    assert isinstance(json.loads(answer.stdout), dict if aspect == "app" else list)


def test_a_task_is_found_by_its_id_in_either_spelling(qtasks, queue):
    task = queue.add_task("charge", 7)
    for spelling in (task.id, str(task.uuid)):
        answer = qtasks("stats", "inspect", "task", spelling)
        assert f"id         {task.id}\n" in answer.stdout
        assert "waiting    No worker serves queue default.\n" in answer.stdout


@pytest.mark.parametrize("name", ["0" * 32, "nosuch"])
def test_what_is_not_found_has_its_own_exit_code(qtasks, name):
    answer = qtasks("stats", "inspect", "task", name)
    assert answer.exit_code == 4
    assert name in answer.stderr


@pytest.mark.parametrize("words", [["task"], ["task", "a", "b"], ["queues", "a"], ["nosuch"]])
def test_names_stand_where_they_mean_something(qtasks, words):
    assert qtasks("stats", "inspect", *words).exit_code == 2


def test_watch_looks_again_until_it_is_interrupted(qtasks, queue, monkeypatch):
    def add_then_interrupt(seconds):
        assert seconds == 0.5
        if queue.runtime.run_blocking(lambda link: link.broker.inspect()):
            raise KeyboardInterrupt
        queue.add_task("charge")

    monkeypatch.setattr(stats_module.time, "sleep", add_then_interrupt)
    answer = qtasks("stats", "inspect", "queues", "--watch", "500ms")
    assert answer.stdout.count("No queue was used yet.") == 1
    assert "default      1" in answer.stdout


def test_plugins_are_listed_without_an_application(installed):
    code, out, _ = installed("plugins", "list", QTASKS_PLUGINS="nosuch")
    assert code == 0
    core, nosuch = (next(line for line in out.splitlines() if line.startswith(name)) for name in ("core", "nosuch"))
    assert "loaded" in core
    assert "failed" in nosuch
    assert "nosuch is failed: in QTASKS_PLUGINS, but not installed." in out


def test_plugins_of_the_application_are_listed_with_it(installed, app_file):
    with Path("app.py").open("a") as file:
        file.write(OLD_STYLE_PLUGIN)
    code, out, _ = installed("-A", "app:app", "plugins", "list", "--json")
    assert code == 0
    assert "Mine" in [plugin["name"] for plugin in json.loads(out)]


SECTION = """
from qtasks import hookimpl

QTASKS_PLUGIN_API = 1


@hookimpl
def register_stats(register):
    register("orders", "orders:section", help="What was ordered.")


async def section(app, link, names):
    return [{"name": name, "due": 0, "took_s": 1.5} for name in names or ["all"]]
"""


def test_a_section_of_an_installed_plugin_is_shown_and_listed(installed):
    metadata = Path("site/orders-1.0.dist-info")
    metadata.mkdir(parents=True)
    Path("site/orders.py").write_text(SECTION)
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: orders\nVersion: 1.0\n")
    metadata.joinpath("entry_points.txt").write_text("[qtasks]\norders = orders\n")
    url, site = ["-u", "memory://sections"], {"PYTHONPATH": "site"}
    code, out, _ = installed(*url, "stats", "inspect", "orders", "tea", "cake", **site)
    assert (code, out) == (0, "NAME  DUE   TOOK\ntea   -    1.5 s\ncake  -    1.5 s\n")
    code, out, _ = installed(*url, "stats", "inspect", "orders", "json=true", **site)
    assert (code, json.loads(out)) == (0, [{"name": "all", "due": 0, "took_s": 1.5}])
    _, out, _ = installed("stats", "inspect", "--help", **site)
    assert re.search(r"Sections of plugins:\n(?:.*\n)*  orders +What was ordered\.\n", out)
    code, _, err = installed(*url, "stats", "inspect", "order", **site)
    assert (code, "Did you mean 'orders'?" in err) == (2, True)
