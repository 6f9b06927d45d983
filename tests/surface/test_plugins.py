"""The product page on `qtasks.plugins`, line by line, and what is said where qtasks-plugins is not installed."""

import subprocess
import sys

import pytest
import qtasks.plugins
from qtasks.testing import running

PATIENCE_S = 20.0


def test_a_task_has_a_dependency_of_its_worker(app):
    from qtasks.plugins import Depends

    class Database:
        def save(self, data):
            return f"saved {data}"

    opened = []

    def get_db():
        opened.append("open")
        yield Database()
        opened.append("closed")

    @app.task
    def process(data: int, db=Depends(get_db, scope="worker")):
        return db.save(data)

    with running(app):
        assert [process.add_task(n, timeout=PATIENCE_S).result() for n in (1, 2)] == ["saved 1", "saved 2"]
        assert opened == ["open"]
    assert opened == ["open", "closed"]


@pytest.mark.parametrize("scope", ["task", "worker", "broker", "storage", "global_config"])
def test_each_scope_is_opened_lazily_and_closed(app, scope):
    from qtasks.plugins import Depends

    seen = []

    def get_it():
        seen.append("open")
        yield "it"
        seen.append("closed")

    @app.task
    def without():
        return list(seen)

    @app.task
    def having(it=Depends(get_it, scope=scope)):
        return [*seen, it]

    with running(app):
        assert without.add_task(timeout=PATIENCE_S).result() == []
        assert having.add_task(timeout=PATIENCE_S).result() == ["open", "it"]
    assert seen == ["open", "closed"]


def test_tasks_share_a_state(app):
    from qtasks.plugins import AsyncState

    class MyState(AsyncState):
        pass

    @app.task
    async def write(state: MyState):
        await state.set("x", 1)

    @app.task
    async def read(state: MyState):
        return await state.get("x")

    with running(app):
        write.add_task(timeout=PATIENCE_S)
    with running(app):
        assert read.add_task(timeout=PATIENCE_S).result() == 1


def test_a_blocking_task_has_the_blocking_face(app):
    from qtasks.plugins import AsyncState, SyncState

    class MyState(AsyncState):
        pass

    class Blocking(SyncState):
        pass

    @app.task
    def sample(state: MyState, other: Blocking):
        state.sync.set("x", 1)
        other.set("x", 2)
        return [state.sync.get("x"), other.get("x")]

    with running(app):
        assert sample.add_task(timeout=PATIENCE_S).result() == [1, 2]


def test_depends_is_in_qtasks_too():
    from qtasks import Depends

    assert Depends is qtasks.plugins.Depends


# Without the distribution.

HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "qtasks_plugins":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def without_the_distribution(code):
    """The last lines of what a program prints that cannot import qtasks-plugins."""
    run = subprocess.run([sys.executable, "-c", HIDDEN + code], capture_output=True, text=True, check=False)
    return run.returncode, run.stderr.splitlines()[-2:]


EXTRAS = {
    "AsyncTimer": "schedules",
    "MetricsCollector": "prometheus",
    "Schedule": "schedules",
    "SyncTimer": "schedules",
    "TracingPlugin": "otel",
}


@pytest.mark.parametrize("name", qtasks.plugins.__all__)
def test_a_name_without_its_distribution_is_answered_with_the_pip_line(name):
    wanted = f'"qtasks-plugins[{EXTRAS[name]}]"' if name in EXTRAS else "qtasks-plugins"
    answer = [f"ImportError: {name} is in another distribution.", f"pip install {wanted}"]
    assert without_the_distribution(f"from qtasks.plugins import {name}") == (1, answer)
    assert without_the_distribution(f"import qtasks.plugins; qtasks.plugins.{name}") == (1, answer)


def test_depends_of_qtasks_is_answered_with_the_pip_line():
    answer = ["ImportError: Depends is in another distribution.", "pip install qtasks-plugins"]
    assert without_the_distribution("from qtasks import Depends") == (1, answer)


def test_everything_of_qtasks_can_be_imported_without_the_distribution():
    assert without_the_distribution("from qtasks import *; import qtasks.plugins") == (0, [])


def test_any_other_name_is_an_error_of_its_own():
    with pytest.raises(AttributeError, match=r"module 'qtasks\.plugins' has no attribute 'Nonsense'"):
        _ = qtasks.plugins.Nonsense
    with pytest.raises(ImportError, match="cannot import name 'Nonsense'"):
        from qtasks.plugins import Nonsense  # noqa: F401


def test_every_name_is_there():
    assert [name for name in qtasks.plugins.__all__ if not hasattr(qtasks.plugins, name)] == []
    assert dir(qtasks.plugins) == qtasks.plugins.__all__
