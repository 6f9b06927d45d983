"""The manifest names every hook, and what QTasks 1.7 had; `tools/surface.py` checks that what it names is proved."""

import inspect
import tomllib
from pathlib import Path

import qtasks

HERE = Path(__file__).parent
MANIFEST = tomllib.loads((HERE / "manifest.toml").read_text(encoding="utf-8"))
OLD = tomllib.loads((HERE.parent / "compat/names.toml").read_text(encoding="utf-8"))


def test_the_manifest_names_every_hook_and_no_other():
    hooks = {name for name, _ in inspect.getmembers(qtasks.Plugin, inspect.isfunction) if not name.startswith("_")}
    assert hooks == set(MANIFEST["hooks"])


def test_the_manifest_names_every_module_and_every_trigger_of_1_7():
    assert set(MANIFEST["modules"]) == set(OLD["modules"])
    assert set(MANIFEST["triggers"]) == set(OLD["triggers"]) <= set(MANIFEST["hooks"])


def test_the_manifest_names_every_event_and_every_program_of_1_7():
    assert set(MANIFEST["events"]) == set(OLD["words"]["events"].split())
    assert set(MANIFEST["programs"]) == {path.stem for path in HERE.parent.glob("compat/programs/*.py")}
