"""The page on what authors of plugins may rely on: everything that it names is there."""

import importlib
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/reference/plugin-api.md").read_text(encoding="utf-8")


def test_every_import_path_that_authors_may_rely_on_is_there():
    rows = re.findall(r"^\| `(qtasks[\w.]*)` \| (`.*?) \|", PAGE, re.MULTILINE)
    assert len(rows) > 15
    for path, names in rows:
        module = importlib.import_module(path)
        assert [name for name in re.findall(r"`(\w+)`", names) if not hasattr(module, name)] == [], path
