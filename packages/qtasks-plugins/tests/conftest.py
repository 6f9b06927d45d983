"""Applications over each backend; whatever is asked of a plugin is asked of all of them."""

import functools
from collections.abc import Callable

import pytest
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import new_id
from qtasks.testing import running

PATIENCE_S = 20.0


class Bench:
    """An application, and a worker where one is asked for."""

    def __init__(self, app: QueueTasks) -> None:
        self.app = app
        self.opened: list[str] = []
        self.closed: list[str] = []

    def run(self, function: Callable, *args, **options):
        """The ended task of a function, run by a worker of its own."""
        task = self.app.task(f"t{len(self.app.tasks)}", **options)(function)
        with running(self.app):
            return task.add_task(*args, timeout=PATIENCE_S)

    def source(self, name="it", *, asynchronous=False, fail="", close=None):
        """A generator that opens and closes `name`, and tells."""

        def closing():
            self.closed.append(name)
            if close is not None:
                raise close

        def opening():
            self.opened.append(name)
            if fail:
                raise ValueError(fail)
            return name

        def plain():
            instance = opening()
            try:
                yield instance
            finally:
                closing()

        async def awaited():
            instance = opening()
            try:
                yield instance
            finally:
                closing()

        return awaited if asynchronous else plain


@pytest.fixture(params=["memory", *(pytest.param(name, marks=pytest.mark.needs(name)) for name in ("sqlite", "redis"))])
def url(request, tmp_path):
    """Where the tasks wait."""
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    return f"memory://{new_id()}" if request.param == "memory" else f"sqlite:///{tmp_path}/queue.db"


@pytest.fixture
def app(url):
    """An application of a name of its own on each backend."""
    app = QueueTasks(f"plugins-{new_id()}", url)
    yield app
    app.close()


@pytest.fixture
def async_app(app, url):
    """The same application in the awaitable face."""
    return AsyncQueueTasks(app.name, url)


@pytest.fixture
def bench():
    """An application in memory, for what no backend has a part in."""
    app = QueueTasks("plugins", f"memory://{new_id()}")
    yield Bench(app)
    app.close()


@pytest.fixture
def plain():
    """An application in memory, for what no backend has a part in."""
    return QueueTasks("schedules", f"memory://{new_id()}")


@pytest.fixture
def in_face():
    """What turns a function into one of a face: itself, or a coroutine function that does the same."""

    def in_face(face, function):
        if face == "def":
            return function

        @functools.wraps(function)  # with its signature
        async def awaitable(*args, **kw):
            return function(*args, **kw)

        return awaitable

    return in_face
