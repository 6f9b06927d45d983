"""What every test of the repository shares: a directory of its own, and the rule that a required skip is a failure.

`QTASKS_REQUIRE=sqlite,redis` names what must be tested: a skipped test that is marked `needs("redis")` then fails.
A name that no test is marked with fails the whole run, so that a misspelt requirement cannot pass unnoticed.
"""

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

REQUIRED = frozenset(filter(None, os.environ.get("QTASKS_REQUIRE", "").replace(" ", "").split(",")))

hypothesis.settings.register_profile("qtasks", deadline=None, print_blob=True)
hypothesis.settings.load_profile("qtasks")


def needs(item: pytest.Item) -> set[str]:
    """Name what the test needs beside it."""
    return {name for mark in item.iter_markers("needs") for name in mark.args}


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test without settings from outside, in an empty directory: there the default database is made."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("QTASKS_")]:
        monkeypatch.delenv(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a requirement that no test has; only a whole run can tell."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    known = {name for item in items for name in needs(item)}
    if whole and (unknown := REQUIRED - known):
        raise pytest.UsageError(
            f"QTASKS_REQUIRE names {', '.join(sorted(unknown))}, but no test is marked so. "
            f"Names that tests are marked with: {', '.join(sorted(known)) or 'none'}."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure when what it needs is required."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and (required := needs(item) & REQUIRED):
        report.outcome = "failed"
        report.longrepr = f"QTASKS_REQUIRE={','.join(sorted(required))} forbids this skip:\n{report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure under any requirement: nobody could tell what it needs."""
    report = yield
    if report.skipped and REQUIRED:
        report.outcome = "failed"
        report.longrepr = (
            f"QTASKS_REQUIRE forbids this skip of a module, mark its tests instead:\n{report.longreprtext}"
        )
    return report
