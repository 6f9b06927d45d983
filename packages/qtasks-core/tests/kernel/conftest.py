"""What the tests of the kernel share: applications of both faces over each embedded backend."""

import importlib.util

import pytest
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import new_id
from qtasks.testing import in_memory


def url_of(backend, directory):
    if backend == "sqlite":
        if importlib.util.find_spec("qtasks.backends.sqlite.broker") is None:
            pytest.skip("the sqlite backend is not there")
        return f"sqlite:///{directory}/queue.db"
    return f"memory://{new_id()}"


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.needs("sqlite"))])
def url(request, tmp_path):
    """A new, empty place for tasks."""
    return url_of(request.param, tmp_path)


@pytest.fixture(autouse=True)
def _hasty_worker(monkeypatch):
    """Workers look at their lease more often, and leave stubborn tasks behind sooner, than they do for users."""
    monkeypatch.setattr("qtasks.worker.worker.TICK_S", 0.05)
    monkeypatch.setattr("qtasks.worker.worker.INTERRUPTED_S", 0.2)
    monkeypatch.setattr("qtasks.worker.slots.CLOSE_S", 0.2)


@pytest.fixture
def app(url):
    """An application of the blocking face."""
    app = QueueTasks("kernel", broker_url=url)
    yield app
    app.close()


@pytest.fixture
def async_app(url):
    """An application of the awaitable face. A test that runs no worker closes it on its own loop."""
    app = AsyncQueueTasks("kernel", broker_url=url)
    yield app
    app.runtime.close_blocking()


@pytest.fixture
def memory_app():
    """An application of the blocking face over memory only, where the test looks at the kernel alone."""
    return QueueTasks("kernel", broker_url=f"memory://{new_id()}")


@pytest.fixture
def clock(memory_app):
    """A clock that the test moves; it governs `memory_app`."""
    with in_memory(memory_app) as clock:
        yield clock
