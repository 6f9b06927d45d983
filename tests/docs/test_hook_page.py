"""The plugin of the page about hooks is one that an application finds by itself."""

import tomllib
from pathlib import Path

import code_blocks
from qtasks import QueueTasks

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hooks.md"


def test_the_plugin_of_the_page_is_found_by_its_entry_point(tmp_path, monkeypatch):
    files = {}
    for block in code_blocks.blocks_of(PAGE.read_text(encoding="utf-8"), PAGE.name):
        if block.body.startswith("# file: "):
            files[block.body.split()[2]] = block.body
    project = tomllib.loads(files["pyproject.toml"])["project"]

    (tmp_path / "audit.py").write_text(files["audit.py"])
    installed = tmp_path / "qtasks_audit-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {target}\n" for name, target in project["entry-points"]["qtasks"].items())
    (installed / "entry_points.txt").write_text(f"[qtasks]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)

    [found] = [plugin for plugin in QueueTasks(broker_url="memory://").plugins if plugin.name == "audit"]
    assert (found.state, found.distribution) == ("loaded", "qtasks-audit")
    assert "task_executor_around" in found.hooks
