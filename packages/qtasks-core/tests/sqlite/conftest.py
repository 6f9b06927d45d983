"""Fixtures of the SQLite backend's own tests."""

import pytest
from sqlite.support import Blocking


@pytest.fixture
def path(tmp_path):
    return tmp_path / "q.db"


@pytest.fixture
def connect(path):
    """Open components on a file: on the same one unless another URL is given."""
    opened = []

    def connect(url=f"sqlite:///{path}", **context):
        opened.append(Blocking(url, **context))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def queue(connect):
    return connect()
