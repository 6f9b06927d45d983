"""What the distribution brings, and that who does not use it does not notice."""

import subprocess
import sys

from qtasks import QueueTasks
from qtasks.message import new_id


def test_each_plugin_is_found_through_its_entry_point():
    app = QueueTasks("plugins", f"memory://{new_id()}")
    found = {plugin.name: (plugin.distribution, plugin.state) for plugin in app.plugins}
    assert found["depends"] == found["states"] == ("qtasks-plugins", "loaded")


def test_a_plugin_that_is_not_allowed_does_nothing(monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS_DISABLE", "states")
    found = {plugin.name: plugin for plugin in QueueTasks("plugins", f"memory://{new_id()}").plugins}
    assert (found["states"].state, found["states"].hooks) == ("skipped", ())


def test_an_application_with_the_plugins_imports_no_event_loop():
    code = """
import sys
from qtasks import Depends, QueueTasks
from qtasks.plugins import AsyncState, SyncState, injected, override
QueueTasks(broker_url="memory://")
print("qtasks_plugins.depends.plugin" in sys.modules, "asyncio" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"


def test_no_hook_of_the_plugins_makes_the_event_loop_lead_blocking_tasks():
    from qtasks.executor.plan import ON_LOOP_HOOKS
    from qtasks.runtime import PRODUCER_HOOKS

    app = QueueTasks("plugins", f"memory://{new_id()}", plugins=["depends", "states"])
    assert not app.hooks.dispatch.async_hooks & (ON_LOOP_HOOKS | PRODUCER_HOOKS)
