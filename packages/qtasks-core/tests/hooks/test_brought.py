"""Plugins that installed plugins bring when an application asks for them (`register_plugins`)."""

import json
import sys

import pytest
from click.testing import CliRunner
from qtasks import QueueTasks, hookimpl
from qtasks.cli import main
from qtasks.config import QueueConfig
from qtasks.errors import PluginError

SHOP = """
from qtasks import hookimpl

QTASKS_PLUGIN_API = 1

class Spans:
    @hookimpl
    def worker_start(self):
        pass

@hookimpl
def register_plugins(register, config):
    if "spans" in config.extra:
        register(Spans(), name=config.spans)
"""

APP = """
from qtasks import QueueConfig, QueueTasks
app = QueueTasks(broker_url="memory://", config=QueueConfig(spans="spans"))
"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A distribution `qtasks-shop` whose plugin brings another one where the config asks for it."""
    metadata = tmp_path / "qtasks_shop-2.1.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: qtasks-shop\nVersion: 2.1\n")
    metadata.joinpath("entry_points.txt").write_text("[qtasks]\nshop = the_shop\n")
    tmp_path.joinpath("the_shop.py").write_text(SHOP)
    tmp_path.joinpath("the_shops_app.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for module in ("the_shop", "the_shops_app"):
        sys.modules.pop(module, None)


def make(**config):
    return QueueTasks(broker_url="memory://", config=QueueConfig(**config))


def test_a_brought_plugin_is_listed_with_the_distribution_that_brought_it(installed):
    found = {info.name: info for info in make(spans="spans").plugins}
    assert (found["spans"].distribution, found["spans"].version) == ("qtasks-shop", "2.1")
    assert (found["spans"].origin, found["spans"].hooks) == ("the_shop:Spans", ("worker_start",))


def test_a_plugin_that_nobody_asks_for_brings_nothing(installed):
    found = {info.name: info for info in make().plugins}
    assert found["shop"].hooks == ("register_plugins",)
    assert "spans" not in found


def test_the_command_line_lists_brought_plugins(installed):
    command = ["-A", "the_shops_app:app", "plugins", "list", "--json"]
    listed = json.loads(CliRunner().invoke(main, command, catch_exceptions=False).output)
    (row,) = [row for row in listed if row["name"] == "spans"]
    assert row["distribution"] == "qtasks-shop"


def test_a_brought_plugin_may_register_backends():
    class Shop:
        @hookimpl
        def register_brokers(self, register):
            register("shop", "qtasks_shop:ShopBroker")

    class Brings:
        @hookimpl
        def register_plugins(self, register):
            register(Shop())

    registry = make().hooks
    registry.add(Brings())
    registry.add_brought(QueueConfig())
    assert registry.plugins()[-1].hooks == ("register_brokers",)


def test_what_is_brought_must_be_a_plugin(installed):
    with pytest.raises(PluginError, match="A plugin 'core' is registered already"):
        make(spans="core")


def test_a_plugin_that_raises_while_it_brings_others_is_named(registry):
    class Brings:
        @hookimpl
        def register_plugins(self, config):
            raise LookupError("no key")

    registry.add(Brings(), name="brings")
    with pytest.raises(PluginError, match="Plugin 'brings': hook register_plugins raised LookupError: no key"):
        registry.add_brought(QueueConfig())
