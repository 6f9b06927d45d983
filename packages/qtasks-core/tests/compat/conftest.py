"""Applications of both faces in memory, each of its own."""

import pytest
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.message import new_id


@pytest.fixture
def app():
    return QueueTasks("compat", f"memory://{new_id()}")


@pytest.fixture
def async_app():
    return AsyncQueueTasks("compat", f"memory://{new_id()}")
