"""Every module path of QTasks 1.7 is imported, every name is there or says what is to be done."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from qtasks.compat import table
from qtasks.compat.finder import explain

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "old-names.md"

NAMES = [(path, name) for path, names in table.NAMES.items() for name in names]

OURS = ("qtasks.", "qtasks_redis.", "qtasks_plugins.depends", "qtasks_plugins.states")
INSTALLED = [
    (path, name)
    for path, name in NAMES
    if name not in table.INSTEAD and {**table.TARGETS, **table.MADE}[name][0].startswith(OURS)
]


def case(value):
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(("path", "name"), INSTALLED, ids=case)
def test_an_old_name_is_imported_from_its_old_module(path, name):
    namespace = {}
    exec(f"from {path} import {name}", namespace)
    assert namespace[name] is not None


@pytest.mark.parametrize("path", table.NAMES)
def test_an_old_module_lists_its_names_and_has_no_others(path):
    module = importlib.import_module(path)
    if path != "qtasks.plugins":  # it has names of its own
        assert module.__all__ == table.NAMES[path]
        assert dir(module) == sorted(table.NAMES[path])
    with pytest.raises(AttributeError, match=f"module '{path}' has no attribute 'Nonsense'"):
        _ = module.Nonsense
    with pytest.raises(ImportError, match="cannot import name 'Nonsense'"):
        exec(f"from {path} import Nonsense")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("qtasks", "QueueTasks AsyncRouter SyncRouter shared_task Depends"),
        ("qtasks.asyncio", "QueueTasks"),
        ("qtasks.stats", "AsyncStats SyncStats InspectStats"),
        ("qtasks.stats.inspect", "InspectStats"),
    ],
)
def test_a_module_that_there_still_is_has_its_names(path, names):
    for name in names.split():
        assert getattr(importlib.import_module(path), name)


def test_a_module_that_never_was_is_not_found():
    for path in ("qtasks.nonsense", "qtasks.brokers.nonsense", "qtasks.compat.nonsense"):
        with pytest.raises(ModuleNotFoundError, match=path):
            importlib.import_module(path)


def test_one_name_is_the_same_thing_wherever_it_is_imported_from():
    import qtasks.asyncio.qtasks
    import qtasks.brokers.base
    from qtasks.schemas.task import Task
    from qtasks.utils import shared_task

    assert qtasks.asyncio.qtasks.QueueTasks is qtasks.asyncio.QueueTasks
    assert qtasks.brokers.AsyncRedisBroker is qtasks.brokers.base.SyncRedisBroker
    assert (Task, shared_task) == (qtasks.Task, qtasks.shared_task)


@pytest.mark.parametrize("name", ["AsyncSocketBroker", "SyncSocketBroker"])
def test_a_broker_that_is_gone_points_to_sqlite(name):
    with pytest.raises(ImportError, match=rf'{name} is no part of QTasks any more\.\n.*broker_url="sqlite:'):
        exec(f"from qtasks.brokers import {name}")


# Where only qtasks-core is installed.

ALONE = """
import importlib, json, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("qtasks_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Hidden())
import qtasks
found = {"": sorted(name for name in sys.modules if name.startswith(("qtasks.", "click", "asyncio")))}
from qtasks.compat.finder import explain
from qtasks.compat.table import NAMES
for path, names in NAMES.items():
    for name in names:
        try:
            found[f"{path} {name}"] = repr(getattr(importlib.import_module(path), name))
        except ImportError as error:
            found[f"{path} {name}"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def alone():
    """What each name is in an environment without any other distribution of ours: its `repr`, or the error."""
    run = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_an_installation_over_qtasks_1_7_is_told_as_such(monkeypatch):
    hidden = ImportError("cannot import name 'US_PER_S' from 'qtasks.types'")
    assert explain(hidden) is hidden
    monkeypatch.setattr("importlib.metadata.version", {"qtasks": "1.7.3"}.__getitem__)
    assert "qtasks 1.7.3" in str(explain(hidden))
    assert "pip uninstall qtasks" in str(explain(hidden))


PIP_LINES = {
    "RedisBroker": "pip install qtasks-redis",
    "RedisStorage": "pip install qtasks-redis",
    "RedisGlobalConfig": "pip install qtasks-redis",
    "RabbitMQBroker": "pip install qtasks-rabbitmq (not published yet)",
    "KafkaBroker": "pip install qtasks-kafka (not published yet)",
    "Depends": "pip install qtasks-plugins",
    "ScopeEnum": "pip install qtasks-plugins",
    "DependsPlugin": "pip install qtasks-plugins",
    "State": "pip install qtasks-plugins",
    "StatePlugin": "pip install qtasks-plugins",
    "PydanticWrapperPlugin": 'pip install "qtasks-plugins[pydantic]"',
    "gRPCPlugin": 'pip install "qtasks-plugins[grpc]"',
    "Timer": 'pip install "qtasks-plugins[schedules]"',
}


@pytest.mark.parametrize(("path", "name"), NAMES, ids=case)
def test_with_the_core_alone_a_name_is_there_or_fails_with_the_right_pip_line(alone, path, name):
    answer = alone[f"{path} {name}"]
    if line := PIP_LINES.get(re.sub("^(Async|Sync)", "", name)):
        assert answer == f"{name} is in another distribution.\n{line}"
    else:
        assert "pip install" not in answer
        assert "No module" not in answer


def test_old_names_cost_nobody_anything_who_does_not_use_them(alone):
    assert alone[""] == []


# The reference.


def row(paths, words):
    modules = ", ".join(f"`qtasks.{path}`" for path in paths.split())
    return f"| {modules} | {', '.join(f'`{word}`' for word in words.split())} |"


def test_the_reference_lists_what_the_table_has():
    rows = [line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line.startswith("| `qtasks.")]
    assert rows == [row(paths, words) for paths, words in table.PATHS.items() if words]
