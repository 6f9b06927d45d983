"""What every distribution of ours keeps: one version, no pickle, a start that loads nothing heavy."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
MODULES = sorted(path for distribution in DISTRIBUTIONS for path in distribution.glob("src/**/*.py"))

PICKLERS = {"pickle", "_pickle", "cPickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}

HEAVY = ("click", "asyncio", "redis", "pika", "confluent_kafka", "sqlite3")


def imported_names(tree):
    """Every module that the code names: in an import, or as the string that an import by name would take."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def picklers_in(source):
    return {name for name in imported_names(ast.parse(source)) if name.partition(".")[0] in PICKLERS}


def test_nothing_of_ours_can_load_a_pickle():
    assert MODULES
    found = {path: picklers_in(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {str(path): names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "import json, shelve as s", "importlib.import_module('_pickle')"],
)
def test_each_way_to_import_a_pickler_is_seen(source):
    assert picklers_in(source)


def test_importing_qtasks_loads_nothing_heavy():
    program = f"import sys, qtasks; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert loaded.split() == []


def test_all_distributions_carry_one_version():
    versions = {
        path.parents[2].name: path.read_text(encoding="utf-8") for path in ROOT.glob("packages/*/src/*/_version.py")
    }
    assert len(versions) == len(DISTRIBUTIONS)
    assert len(set(versions.values())) == 1, versions


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: path.name)
def test_a_distribution_is_typed_described_and_licensed(distribution):
    project = tomllib.loads((distribution / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == distribution.name
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.11"
    assert (distribution / project["readme"]).is_file()
    assert list(distribution.glob("src/*/py.typed"))
