"""The sections that plugins bring: found by name, told as facts, and what becomes of one that fails."""

import asyncio
import sys
from types import SimpleNamespace

import pytest
from qtasks import hookimpl
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError, PluginError, QTasksError
from qtasks.stats import AsyncStats, SyncStats
from qtasks.stats.render import anything

MODULE = "sections_of_a_plugin"


class Brings:
    """Registers a section of `MODULE` under each of the names."""

    def __init__(self, **targets):
        self.targets = targets

    @hookimpl
    def register_stats(self, register):
        for name, target in self.targets.items():
            register(name, f"{MODULE}:{target}", help="For tests.")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let what is here be imported by a name, as the module of a plugin is."""
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(**globals()))


async def queues(app, link, names):
    return [{"app": app.name, "queue": facts.name, "names": names} for facts in await link.broker.inspect()]


async def raising(app, link, names):
    raise LookupError("no such order")


async def refusing(app, link, names):
    raise ConfigError("Give one name.")


async def suspending(app, link, names):
    await asyncio.sleep(0)
    return {"slept": True}


async def junk(app, link, names):
    return ["junk"]


async def numbered(app, link, names):
    return {1: 2}


def plain(app, link, names):
    return {"not": "awaitable"}


def test_a_section_reads_over_either_face(app):
    app.add_plugin(Brings(mine="queues"))
    app.add_task("charge")
    expected = [{"app": "shop", "queue": "default", "names": ("a", "b")}]
    assert SyncStats(app).section("mine", "a", "b") == expected

    async def ask():
        other = AsyncQueueTasks("shop", broker_url=app.broker.url)
        other.add_plugin(Brings(mine="queues", slow="suspending"))
        answers = [await AsyncStats(other).section("mine", "a", "b"), await AsyncStats(other).section("slow")]
        await other.close()
        return answers

    assert asyncio.run(ask()) == [expected, {"slept": True}]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("raising", "failed: LookupError: no such order"),
        ("plain", "failed: TypeError: "),
        ("nowhere", "failed: AttributeError: "),
        ("junk", r"answered with \['junk'\]"),
        ("numbered", r"answered with \{1: 2\}"),
    ],
)
def test_a_section_that_fails_is_named_with_its_target(app, target, says):
    app.add_plugin(Brings(mine=target))
    with pytest.raises(PluginError, match=rf"The section 'mine' \({MODULE}:{target}\) {says}"):
        SyncStats(app).section("mine")


def test_an_error_of_qtasks_passes_as_it_is(app):
    app.add_plugin(Brings(mine="refusing"))
    with pytest.raises(ConfigError, match="Give one name"):
        SyncStats(app).section("mine")


def test_a_section_that_waits_for_an_event_loop_is_refused_by_the_blocking_face(app):
    app.add_plugin(Brings(mine="suspending"))
    with pytest.raises(QTasksError, match="waited for an event loop"):
        SyncStats(app).section("mine")


def test_an_unknown_section_is_answered_with_those_that_there_are(app):
    app.add_plugin(Brings(orders="queues"))
    with pytest.raises(ConfigError, match="Did you mean 'orders'"):
        SyncStats(app).section("order")
    with pytest.raises(ConfigError, match="There are: app, dlq, orders, plugins"):
        SyncStats(app).section("zzz")


@pytest.mark.parametrize("taken", ["queues", "mine"])
def test_two_sections_of_one_name_are_refused_by_both_targets(app, taken):
    app.add_plugin(Brings(mine="queues"))
    app.add_plugin(Brings(**{taken: "raising"}))
    with pytest.raises(PluginError, match=f"{taken!r} of the statistics is there twice: .*:raising"):
        SyncStats(app).section("mine")


def test_facts_that_nobody_knows_are_shown_with_all_their_fields():
    rows = [{"who": "ada", "took_s": 0.25}, {"who": "bob", "sizes": ["a", 2]}]
    assert anything(rows) == "WHO    TOOK  SIZES\nada  250 ms  -\nbob       -  a, 2"
    assert anything({"who": "ada", "none": None}) == "who  ada"
    assert (anything([]), anything({})) == ("Nothing.", "")
