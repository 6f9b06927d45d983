"""The manifest names every hook; `tools/surface.py` checks that what it names is proved."""

import inspect
import tomllib
from pathlib import Path

import qtasks


def test_the_manifest_names_every_hook_and_no_other():
    manifest = tomllib.loads(Path(__file__).with_name("manifest.toml").read_text(encoding="utf-8"))
    hooks = {name for name, _ in inspect.getmembers(qtasks.Plugin, inspect.isfunction) if not name.startswith("_")}
    assert hooks == set(manifest["hooks"])
