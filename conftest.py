"""What every test of the repository shares: a directory of its own, and the settings of Hypothesis.

The mark `needs` and the rule of QTASKS_REQUIRE are in `qtasks_testkit.plugin`.
"""

import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("qtasks", deadline=None, print_blob=True)
hypothesis.settings.load_profile("qtasks")


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test without settings from outside, in an empty directory: there the default database is made."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("QTASKS_")]:
        monkeypatch.delenv(name)
