"""Plugins that cannot be loaded, installed side by side: the worker runs, each has its reason, strict mode refuses."""

import json

import pytest
from cli.support import invoke

SOUND = """
from qtasks import hookimpl
QTASKS_PLUGIN_API = 1

@hookimpl
def worker_start():
    pass
"""

INSTALLED = {
    "broken": "raise RuntimeError('no GPU')",
    "misspelt": SOUND.replace("worker_start", "worker_strat"),
    "toonew": SOUND.replace("= 1", "= 2"),
    "unlisted": SOUND,
    "sound": SOUND,
}

REASONS = {
    "broken": ("failed", "RuntimeError: no GPU"),
    "misspelt": ("failed", "there is no hook 'worker_strat'.\nDid you mean 'worker_start'?"),
    "toonew": ("failed", "was made for version 2 of the plugin API; this QTasks has 1."),
    "unlisted": ("skipped", "not in QTASKS_PLUGINS"),
    "sound": ("loaded", ""),
}


@pytest.fixture
def site(tmp_path):
    """The environment of a process where all of them are installed."""
    site = tmp_path / "site"
    for name, source in INSTALLED.items():
        metadata = site / f"{name}_dist-1.2.dist-info"
        metadata.mkdir(parents=True)
        site.joinpath(f"{name}_module.py").write_text(source)
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n")
        metadata.joinpath("entry_points.txt").write_text(f"[qtasks]\n{name} = {name}_module\n")
    return {"PYTHONPATH": str(site), "QTASKS_PLUGINS": "core,broken,misspelt,toonew,sound"}


def test_the_worker_runs_and_each_is_listed_with_its_reason(installed, app_file, site):
    code, out, _ = installed("-A", "app:app", "call", "add", "2", "3", **site)
    assert (code, out.strip() != "") == (0, True)
    code, _, err = installed("-A", "app:app", "run", "--burst", **site)
    assert code == 0, err
    code, out, _ = installed("-A", "app:app", "stats", "inspect", "tasks", "add", "--json", **site)
    assert [task["successes"] for task in json.loads(out)] == [1]
    code, out, _ = installed("plugins", "list", "--json", **site)
    listed = {plugin["name"]: plugin for plugin in json.loads(out)}
    for name, (state, reason) in REASONS.items():
        assert (listed[name]["state"], listed[name]["distribution"]) == (state, f"{name}-dist")
        assert reason in listed[name]["reason"]
    code, out, _ = installed("plugins", "list", **site)
    assert "toonew is failed: toonew_module was made for version 2" in out


def test_strict_mode_refuses_to_start_and_names_them_all(installed, app_file, site):
    code, _, err = installed("-A", "app:app", "run", "--burst", QTASKS_PLUGINS_STRICT="1", **site)
    assert code != 0
    assert "3 of the plugins failed to load" in err
    assert all(f"- {name}: " in err for name, (state, _) in REASONS.items() if state == "failed")
    assert "unlisted" not in err


def test_the_help_says_in_a_line_what_strict_mode_refuses(monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS", "nosuch")
    monkeypatch.setenv("QTASKS_PLUGINS_STRICT", "1")
    answer = invoke("--help")
    assert answer.exit_code == 1
    assert "- nosuch: in QTASKS_PLUGINS, but not installed." in answer.stderr
