"""The fixture of all tests here."""

import pytest
from qtasks import QueueTasks
from qtasks.message import new_id


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.needs("sqlite"))])
def app(request):
    """An application over a new, empty place for tasks."""
    app = QueueTasks("shop", broker_url=f"memory://{new_id()}" if request.param == "memory" else "sqlite:///queue.db")
    yield app
    app.close()
