"""The rule of the root conftest: what QTASKS_REQUIRE names must not be skipped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MARKED = """
import pytest

@pytest.mark.needs("redis")
def test_marked():
    pytest.skip("no redis-server here")

def test_plain():
    pytest.skip("not on this platform")
"""

WHOLE_MODULE = """
import pytest

pytest.skip("nothing here runs", allow_module_level=True)
"""


@pytest.fixture
def run(tmp_path):
    """Runs pytest over one file of tests under our conftest and our settings."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def run(source, require):
        (tmp_path / "tests").mkdir()
        (tmp_path / "tests/test_sample.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        environment = os.environ | {"QTASKS_REQUIRE": require}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_skip_is_visible_with_its_reason_when_nothing_is_required(run):
    result = run(MARKED, require="")
    assert result.returncode == 0, result.stdout
    assert "no redis-server here" in result.stdout
    assert "2 skipped" in result.stdout


def test_a_skip_fails_when_what_the_test_needs_is_required(run):
    result = run(MARKED, require="redis")
    assert result.returncode == 1
    assert "QTASKS_REQUIRE=redis forbids this skip" in result.stdout
    assert "no redis-server here" in result.stdout
    assert "1 failed, 1 skipped" in result.stdout


def test_a_requirement_that_no_test_is_marked_with_fails_the_run(run):
    result = run(MARKED, require="redis,sqllite")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "QTASKS_REQUIRE names sqllite, but no test is marked so" in result.stdout + result.stderr


def test_skipping_a_whole_module_fails_under_any_requirement(run):
    result = run(WHOLE_MODULE, require="redis")
    assert result.returncode != 0
    assert "forbids this skip of a module" in result.stdout
    assert "nothing here runs" in result.stdout
