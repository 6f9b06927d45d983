"""What pytest loads: the mark `needs`, the rule of QTASKS_REQUIRE, seeds, figures, and servers as fixtures.

`QTASKS_REQUIRE=sqlite,redis` names what must be tested: a skipped test that is marked `needs("redis")` then fails.
A name that no test is marked with fails the whole run, so that a misspelt requirement cannot pass unnoticed.

Every pytest run where this distribution is installed imports this module, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from qtasks_testkit.servers import GivenServer, RedisServer

pytest.register_assert_rewrite(
    *(f"qtasks_testkit.{name}" for name in ("conformance", "faces", "faults", "machine", "mutants", "rig"))
)

REQUIRED = frozenset(filter(None, os.environ.get("QTASKS_REQUIRE", "").replace(" ", "").split(",")))

NEEDED_BY = {"redis_server": "redis", "new_redis_server": "redis"}
"""Fixtures whose tests are marked with what they need by themselves."""

_FIGURES = pytest.StashKey[list[str]]()


def needs(item: pytest.Item) -> set[str]:
    """Name what the test needs beside it."""
    return {name for mark in item.iter_markers("needs") for name in mark.args}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--qtasks-seed`."""
    parser.getgroup("qtasks").addoption(
        "--qtasks-seed", type=int, help="seed of what the tests of QTasks do at random (default: another each run)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks, and choose the seed where none is given: once, workers of xdist inherit it."""
    config.addinivalue_line(
        "markers",
        "needs(name): what must run beside the test (sqlite, redis, ...); a skip is a failure when QTASKS_REQUIRE"
        " names it",
    )
    if config.option.qtasks_seed is None:
        config.option.qtasks_seed = random.SystemRandom().randrange(10**9)
    config.stash[_FIGURES] = []


def pytest_report_header(config: pytest.Config) -> str:
    """Tell how to repeat the run."""
    required = f", required: {', '.join(sorted(REQUIRED))}" if REQUIRED else ""
    return f"qtasks: --qtasks-seed={config.option.qtasks_seed}{required}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures that tests have reported."""
    for line in config.stash[_FIGURES]:
        terminalreporter.write_line(f"figure: {line}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use our servers; refuse a requirement that no test has, which only a whole run can tell."""
    for item in items:
        for name in {NEEDED_BY[name] for name in getattr(item, "fixturenames", ()) if name in NEEDED_BY} - needs(item):
            item.add_marker(pytest.mark.needs(name))
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


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Randomness of the test's own: the same for the same test and `--qtasks-seed`, in any order of the tests."""
    seed = request.config.option.qtasks_seed
    print(f"repeat with --qtasks-seed={seed}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(seed ^ zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Say what was measured; all of it is printed when the run ends."""
    return pytestconfig.stash[_FIGURES].append


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | GivenServer]:
    """A Redis or Valkey that tests share: that of QTASKS_TEST_REDIS_URL, or one of this run; skips where none is."""
    from qtasks_testkit.servers import GivenServer, RedisServer

    if url := os.environ.get("QTASKS_TEST_REDIS_URL"):
        yield GivenServer(url)
        return
    with RedisServer.or_skip(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def new_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RedisServer]]:
    """Start a Redis or Valkey of the test's own, with the options of `RedisServer`; skips where none is installed."""
    from contextlib import ExitStack

    from qtasks_testkit.servers import RedisServer

    with ExitStack() as running:

        def new_redis_server(**options: object) -> RedisServer:
            directory = tmp_path_factory.mktemp("redis")
            return running.enter_context(RedisServer.or_skip(directory, **options))

        yield new_redis_server
