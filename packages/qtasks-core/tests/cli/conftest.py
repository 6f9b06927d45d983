"""How the tests here call `qtasks`: in this process where that is enough, else installed and from outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.support import invoke
from qtasks import QueueTasks
from qtasks.message import new_id

APP = """
from qtasks import QueueTasks

app = QueueTasks("shop")


@app.task
def add(x, y):
    return x + y


@app.task
def fail():
    raise ValueError("no")


def make():
    return app
"""


@pytest.fixture
def installed():
    """The installed command in the working directory: exit code, standard output and standard error."""

    def run(*words, **environment):
        command = [str(Path(sys.executable).with_name("qtasks")), *words]
        settings = {**os.environ, **environment}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def app_file():
    """An application in app.py."""
    Path("app.py").write_text(APP)


@pytest.fixture
def url():
    """A memory that this process alone knows."""
    return f"memory://{new_id()}"


@pytest.fixture
def queue(url):
    """An application without tasks on that memory, under the default name."""
    return QueueTasks(broker_url=url)


@pytest.fixture
def qtasks(url):
    """The command in this process, on that memory."""

    def run(*words, **settings):
        return invoke("-u", url, *words, **settings)

    return run
