"""An installed plugin that raises or answers junk in a registration hook: what it was asked for fails, or goes on."""

import subprocess
import sys

import pytest
from kernel.support import PATIENCE_S
from qtasks import QueueTasks, TaskStatus
from qtasks.errors import PluginError
from qtasks.hooks import SPECS
from qtasks.stats import SyncStats
from qtasks.testing import in_memory, running

REGISTRATION = [name for name, spec in SPECS.items() if spec.sync_only]

SOURCE = """
from qtasks import hookimpl
QTASKS_PLUGIN_API = 1

@hookimpl
{define} {hook}({argument}):
    {act}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin called `bad` with one implementation of one hook."""

    def install(hook, act, define="def"):
        source = SOURCE.format(define=define, hook=hook, argument=SPECS[hook].params[0], act=act)
        tmp_path.joinpath("bad_plugin.py").write_text(source)
        metadata = tmp_path / "bad_plugin-1.0.dist-info"
        metadata.mkdir()
        metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 1.0\n")
        metadata.joinpath("entry_points.txt").write_text("[qtasks]\nbad = bad_plugin\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    yield install
    sys.modules.pop("bad_plugin", None)


def make():
    return QueueTasks("registration", broker_url="memory://registration", plugins=["bad"])


def declare(app):
    return app.task("t")(lambda: 7)


def run(app):
    task = declare(app)
    with in_memory(app), running(app):
        return task.add_task(timeout=PATIENCE_S)


def command_line():
    command = [sys.executable, "-c", "from qtasks.cli import main; main()", "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def asked_when_the_application_is_made():
    make()


def asked_when_a_task_is_declared():
    declare(make())


def asked_when_a_section_is_wanted():
    SyncStats(make()).section("bad")


def asked_by_the_command_line():
    if (done := command_line()).returncode:
        raise PluginError(done.stderr)


def asked_when_a_worker_gets_the_task():
    if (done := run(make())).status is not TaskStatus.SUCCESS:
        assert done.status is TaskStatus.ERROR
        raise PluginError(done.error)


ASKED = {
    "register_plugins": asked_when_the_application_is_made,
    "register_brokers": asked_when_the_application_is_made,
    "register_storages": asked_when_the_application_is_made,
    "register_global_configs": asked_when_the_application_is_made,
    "register_types": asked_when_the_application_is_made,
    "register_commands": asked_by_the_command_line,
    "register_stats": asked_when_a_section_is_wanted,
    "register_task": asked_when_a_task_is_declared,
    "register_arounds": asked_when_a_worker_gets_the_task,
}


def test_every_registration_hook_is_tried_here():
    assert set(ASKED) == set(REGISTRATION)


@pytest.mark.parametrize("hook", ASKED)
def test_what_a_raising_plugin_was_asked_for_fails_by_its_name(install, hook):
    install(hook, "raise ZeroDivisionError('of the plugin')")
    with pytest.raises(PluginError, match=f"Plugin 'bad': hook {hook} raised ZeroDivisionError: of the plugin"):
        ASKED[hook]()


@pytest.mark.parametrize("hook", ASKED)
def test_an_answer_of_a_registration_hook_means_nothing(install, hook):
    install(hook, "return object()")
    if hook == "register_commands":
        assert command_line().returncode == 0
    else:
        assert run(make()).result() == 7


@pytest.mark.parametrize("hook", ASKED)
def test_one_that_would_wait_is_not_loaded_and_tasks_run(install, hook):
    install(hook, "pass", define="async def")
    app = make()
    [info] = [info for info in app.plugins if info.name == "bad"]
    assert (info.state, info.hooks) == ("failed", ())
    assert f"{hook} is `async def`" in info.reason
    assert run(app).result() == 7
