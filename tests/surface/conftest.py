"""What the tests of the promised surface share: applications over the embedded default, and the installed command."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks

PATIENCE_S = 20.0


@pytest.fixture
def app():
    """An application as a user makes one."""
    app = QueueTasks()
    yield app
    app.close()


@pytest.fixture
def async_app():
    """The same in the awaitable face."""
    app = AsyncQueueTasks()
    yield app
    app.runtime.close_blocking()


@pytest.fixture
def qtasks():
    """Start the installed command `qtasks` in the working directory; it is ended with the test."""
    started = []

    def start(*words):
        command = [str(Path(sys.executable).with_name("qtasks")), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def app_file():
    """Write `app.py` into the working directory and import it."""

    def write(source):
        Path("app.py").write_text(textwrap.dedent(source))
        sys.path.insert(0, str(Path.cwd()))
        try:
            import app  # the file just written

            return app
        finally:
            sys.path.pop(0)
            sys.modules.pop("app", None)

    return write
