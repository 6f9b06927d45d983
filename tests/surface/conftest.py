"""What the tests of the promised surface share: applications over the embedded default, and the installed command."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from qtasks import QueueConfig, QueueTasks, hookimpl
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.hooks import SPECS
from qtasks.message import new_id

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


class Watching:
    """Notes each call of each hook, and changes nothing."""

    def __init__(self, *, around=True, hooks=SPECS):
        self.calls = []
        self._lock = threading.Lock()
        for hook in hooks:
            if hook == "task_executor_around":
                if around:
                    setattr(self, hook, hookimpl(self._around()))
            elif not SPECS[hook].sync_only:
                setattr(self, hook, hookimpl(self._noting(hook)))

    def _noting(self, hook):
        def note(**kw):
            with self._lock:
                self.calls.append((hook, kw))

        return note

    def _around(self):
        async def around(call_next, ctx):
            self.calls.append(("task_executor_around", {"call_next": call_next, "ctx": ctx}))
            return await call_next()

        return around

    def names(self, *without):
        """The hooks that fired, in order, but for those with these prefixes."""
        return [hook for hook, _ in self.calls if not hook.startswith(without)]


@pytest.fixture(scope="session")
def watching():
    """Make a plugin that notes each call of each hook."""
    return Watching


@pytest.fixture(scope="session")
def new_app():
    """Make an application with a plugin and three tasks: `plain`, `letters` (a generator), `failing` (twice)."""

    def new_app(plugin=None, **config):
        app = QueueTasks("surface", f"memory://{new_id()}", config=QueueConfig(**config))
        if plugin is not None:
            app.add_plugin(plugin)

        @app.task(middlewares_before=[lambda executor: None])
        def plain(x):
            return x

        @app.task
        def letters():
            yield "a"

        @app.task(retry=1, retry_delay=0)
        async def failing():
            raise ValueError("no")

        return app

    return new_app
