"""What authors are given: the scaffolds and the examples are built, installed from their wheels, and pass their tests.

No network is used. `nox -s authors` runs this, in an environment where QTasks itself is installed from its wheels.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"
WITHOUT_NETWORK = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

pytestmark = pytest.mark.timeout(120)


@attrs.frozen
class Project:
    """A distribution that is installed into a directory of its own, which only its own processes see."""

    source: Path
    site: Path

    def python(self, *words, cwd=None, code=0):
        """Run Python where it is installed; it ends with this exit code. Returns what it printed."""
        environment = {**os.environ, **WITHOUT_NETWORK, "PYTHONPATH": str(self.site)}
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def install(self):
        """Build the wheel with what is installed here, and unpack it."""
        wheels = self.site.with_name("wheels")
        self.python("-m", "build", "--no-isolation", "--wheel", "--outdir", str(wheels), str(self.source))
        [wheel] = wheels.glob("*.whl")
        self.python("-m", "pip", "install", "-q", "--no-deps", "--target", str(self.site), str(wheel))

    def qtasks(self, *words, **settings):
        """Call the command."""
        return self.python("-c", "from qtasks.cli import main; main()", *words, **settings)


def begin(kind, directory):
    """Write a distribution by the command."""
    qtasks = str(Path(sys.executable).with_name("qtasks"))
    command = [qtasks, "plugins", "new", kind, "qtasks-acme", "--path", str(directory)]
    subprocess.run(command, capture_output=True, check=True)


@pytest.fixture(scope="module", params=["plugin", "broker", "storage", "qtasks-audit", "qtasks-dirqueue"])
def project(request, tmp_path_factory):
    """Each of the three kinds, and each of the examples."""
    directory = tmp_path_factory.mktemp("project")
    source = directory / request.param
    if request.param.startswith("qtasks-"):
        shutil.copytree(EXAMPLES / request.param, source)
    else:
        begin(request.param, source)
    project = Project(source, directory / "site")
    project.install()
    return project


def test_it_passes_its_own_tests(project, tmp_path):
    """The tests alone are copied: what they import is what the wheel holds."""
    shutil.copytree(project.source / "tests", tmp_path / "tests")
    shutil.copy(project.source / "pyproject.toml", tmp_path)
    assert " passed" in project.python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)


def test_it_is_installed_with_its_version_and_passes_the_check(project):
    listed = json.loads(project.qtasks("plugins", "list", "--json"))
    [plugin] = [plugin for plugin in listed if plugin["distribution"] in {"qtasks-acme", project.source.name}]
    assert (plugin["state"], plugin["version"], plugin["reason"]) == ("loaded", "0.1.0", "")
    findings = json.loads(project.qtasks("plugins", "check", plugin["name"], "--json"))
    assert "problem" not in {finding["state"] for finding in findings}


def test_a_broken_broker_does_not_pass_the_smoke_test(tmp_path):
    begin("broker", tmp_path / "acme")
    project = Project(tmp_path / "acme", tmp_path / "site")
    check = ["plugins", "check", str(project.source), "--url", "acme://smoke", "--json"]
    assert json.loads(project.qtasks(*check))[-1]["state"] == "ok"
    server = project.source / "src" / "qtasks_acme" / "server.py"
    server.write_text(server.read_text().replace("task.token += 1", "pass"))
    assert "failed" in json.loads(project.qtasks(*check, code=1))[-1]["found"]


DIRECTORY_APP = """
from pathlib import Path

from qtasks import QueueTasks

here = Path(__file__).parent.resolve()
app = QueueTasks("shop", broker_url=f"dirqueue://{here}/spool", storage_url=f"sqlite:///{here}/results.db")


@app.task
def double(x):
    return x * 2


@app.task(retry=1, retry_delay=0)
def fail_once():
    marker = here / "failed"
    if not marker.exists():
        marker.touch()
        raise OSError("once")
    return "at last"
"""


@pytest.mark.parametrize("project", ["qtasks-dirqueue"], indirect=True)
def test_workers_of_two_processes_drain_a_directory(project, tmp_path):
    (tmp_path / "app.py").write_text(DIRECTORY_APP)
    add = "from app import *; app.add_tasks([*(double(n) for n in range(50)), fail_once()])"
    project.python("-c", add, cwd=tmp_path)
    project.qtasks("-A", "app:app", "run", "--burst", "-p", "2", cwd=tmp_path)
    tasks = json.loads(project.qtasks("-A", "app:app", "stats", "inspect", "tasks", "--json", cwd=tmp_path))
    [queue] = json.loads(project.qtasks("-A", "app:app", "stats", "inspect", "queues", "--json", cwd=tmp_path))
    assert {task["name"]: (task["successes"], task["runs"]) for task in tasks} == {
        "double": (50, 50),
        "fail_once": (1, 2),
    }
    assert (queue["ready"], queue["running"], queue["enqueued"], queue["finished"]) == (0, 0, 51, 51)
