"""What a stranger's run of pytest gets from the plugin; the rule of QTASKS_REQUIRE is in tests/tools/."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

LIMITED = """
import pytest
from qtasks.backends.memory.broker import MemoryBroker
from qtasks.backends.memory.storage import MemoryStorage
from qtasks.ports import Capabilities
from qtasks_testkit.conformance import BrokerConformance
from qtasks_testkit.machine import StateMachineConformance
from qtasks_testkit.rig import UrlPlace


class LimitedBroker(MemoryBroker):
    capabilities = Capabilities(priority="none", delay=False, {cancel} unique=False, pause=False, inspect=False)

    async def cancel(self, *_):
        raise AssertionError("it cannot cancel")

    cancel_requests = set_paused = inspect = cancel


class TestLimited(BrokerConformance, StateMachineConformance):
    @pytest.fixture
    def new_place(self):
        return lambda: UrlPlace("memory://", LimitedBroker, MemoryStorage)
"""


def run(source, *options):
    """Run pytest over one file of tests, as in a stranger's project."""
    Path("test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *options, "test_it.py"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def outcomes(done):
    """How many tests of each kind the last line tells of."""
    return {kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|skipped|errors?)", done.stdout)}


@pytest.mark.timeout(120)
def test_undeclared_capability_is_a_visible_skip():
    done = run(LIMITED.replace("{cancel}", "cancel=False,"), "-rs")
    found = outcomes(done)
    assert set(found) == {"passed", "skipped"}, done.stdout
    assert found["passed"] > found["skipped"] > 20
    for capability in ("priority", "delay", "cancel", "unique", "pause", "inspect"):
        assert f"LimitedBroker does not declare '{capability}'" in done.stdout


def test_declared_capability_that_is_not_kept_is_a_failure():
    done = run(LIMITED.replace("{cancel}", "cancel=True,"), "-k", "cancelled_at_once or purge")
    found = outcomes(done)
    assert found["failed"] > 0
    assert "it cannot cancel" in done.stdout


def test_base_class_without_its_fixture_says_what_is_missing():
    done = run(
        "from qtasks_testkit.conformance import BrokerConformance\nclass TestIt(BrokerConformance): pass\n", "-x"
    )
    assert "TestIt needs a fixture `new_place`" in done.stdout


CHANCE = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it(number, chance):
    print("drawn", number, chance.random())
"""


def drawn(*options):
    return re.findall(r"drawn.*", run(CHANCE, "-s", *options).stdout)


def test_seed_repeats_what_tests_do_at_random():
    first = drawn("--qtasks-seed=7")
    assert len(set(first)) == 3
    assert drawn("--qtasks-seed=7") == first
    assert drawn("--qtasks-seed=8") != first
    assert drawn() != drawn()
    assert sorted(first)[2] in drawn("--qtasks-seed=7", "-k", "2")


def test_seed_is_shown_in_the_head_and_with_a_failure():
    done = run("def test_it(chance):\n    assert not chance.random()\n")
    (head,) = re.findall(r"qtasks: (--qtasks-seed=\d+)", done.stdout)
    assert f"repeat with {head}" in done.stdout


def test_figures_are_printed_at_the_end():
    done = run("def test_it(figure):\n    figure('0 lost')\n")
    assert "figure: 0 lost" in done.stdout.splitlines()[-2]


def test_test_that_uses_a_server_needs_it():
    source = "def test_it(redis_server):\n    pass\n"
    assert outcomes(run(source, "-m", "needs")) == {"passed": 1}


NOBODY = """
from qtasks_testkit.conformance import BrokerConformance

class Nobody:
    def add_many(self, count):
        return []

    def worker(self):
        return self

    def take(self, limit):
        return []

def test_it():
    BrokerConformance().test_limit_is_kept(Nobody())
"""


def test_claim_that_fails_tells_what_it_compared():
    assert "assert 0 == 3" in run(NOBODY).stdout


def test_plugin_loads_nothing_heavy():
    heavy = {"hypothesis", "qtasks", "redis", "asyncio", "subprocess"}
    program = (
        "import sys, pytest; before = {*sys.modules}; import qtasks_testkit.plugin; print(*{*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "qtasks_testkit.plugin" in loaded
    assert not heavy & loaded
