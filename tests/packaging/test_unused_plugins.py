"""All plugins are installed, none is used: they cost a task nothing, and the start of a program little.

`benchmarks/plugins_overhead.py` measures it; here is what must hold for the figure to stay.
"""

import subprocess
import sys

from qtasks import QueueTasks
from qtasks.executor.plan import make_plan
from qtasks.hooks import SPECS

ONCE = ("_start", "_stop")
"""Hooks with these ends are called once in the life of a component."""

HEAVY = ("asyncio", "click", "cronsim", "grpc", "opentelemetry", "prometheus_client", "pydantic", "redis", "sqlite3")

PROGRAM = f"""
import sys
from qtasks import QueueTasks
app = QueueTasks(broker_url="memory://")
assert {{plugin.name for plugin in app.plugins}} > {{"depends", "states"}}
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""


def test_no_plugin_that_is_not_used_has_a_hook_that_fires_for_tasks():
    for_tasks = {
        name
        for name, spec in SPECS.items()
        if spec.component != "register" and not name.endswith(ONCE) and name != "worker_clock_moved"
    }
    plugins = QueueTasks(broker_url="memory://").plugins
    assert {plugin.name for plugin in plugins} > {"depends", "states"}
    fired = {plugin.name: set(plugin.hooks) & for_tasks for plugin in plugins}
    assert {name: hooks for name, hooks in fired.items() if hooks} == {"retry": {"worker_task_error_retry"}}


def test_no_plugin_is_led_around_the_runs_of_a_task_that_asks_for_nothing():
    app = QueueTasks(broker_url="memory://")

    @app.task
    def double(x: int) -> int:
        return 2 * x

    plan = make_plan(app.tasks.find("double"), app.runtime)
    assert plan.arounds == ()
    assert not plan.on_loop


def test_making_an_application_loads_nothing_heavy():
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert loaded.split() == []
