"""Which installed plugins are loaded, and with what reason the others are not; on distributions made for each test."""

import sys
import sysconfig
import textwrap

import pytest
from qtasks.errors import ConfigError, PluginError
from qtasks.hooks import HookRegistry, PluginInfo, discover

CORE = PluginInfo("core", "the_builtins", hooks=("register_brokers",))

SOUND = """
    from qtasks.hooks import hookimpl
    QTASKS_PLUGIN_API = 1

    @hookimpl
    def worker_start():
        pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one module and the entry points given; nothing else is installed but the stdlib."""
    stdlib = sysconfig.get_path("stdlib")
    monkeypatch.setattr(sys, "path", [str(tmp_path), stdlib, f"{stdlib}/lib-dynload"])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = []

    def install(distribution, source, version="1.0", **entries):
        module = distribution.replace("-", "_")
        modules.append(module)
        tmp_path.joinpath(f"{module}.py").write_text(textwrap.dedent(source))
        metadata = tmp_path / f"{module}-{version}.dist-info"
        metadata.mkdir()
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"{name} = {module}{target}" for name, target in entries.items()]
        metadata.joinpath("entry_points.txt").write_text("\n".join(["[qtasks]", *lines]))

    modules.append("the_builtins")
    tmp_path.joinpath("the_builtins.py").write_text(
        textwrap.dedent(SOUND).replace("worker_start()", "register_brokers()")
    )
    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def found(install):
    """Discover, and return everything but the core's own plugin by name."""

    def found(**options):
        registry = HookRegistry()
        discover(registry, builtin="the_builtins", **options)
        core, *others = registry.plugins()
        assert core == CORE
        return {info.name: info for info in others}

    return found


def test_the_built_in_plugin_is_loaded_where_nothing_is_installed(found):
    assert found() == {}


def test_a_broken_built_in_plugin_is_no_plugin_of_somebody_else(install):
    with pytest.raises(ModuleNotFoundError):
        discover(HookRegistry(), builtin="nowhere")


def test_an_installed_plugin_is_loaded_with_its_origin(install, found):
    install("qtasks-metrics", SOUND, version="2.1", metrics="")
    assert found() == {
        "metrics": PluginInfo("metrics", "qtasks_metrics", "qtasks-metrics", "2.1", hooks=("worker_start",))
    }


def test_plugins_are_loaded_by_name_and_the_built_in_one_first(install):
    install("one", SOUND, b="")
    install("other", SOUND, a="")
    registry = HookRegistry()
    discover(registry, builtin="the_builtins")
    assert [info.name for info in registry.plugins()] == ["core", "a", "b"]


CLASS = """
    from qtasks.hooks import Plugin, hookimpl

    class Metrics(Plugin):
        QTASKS_PLUGIN_API = 1

        @hookimpl
        def worker_start(self):
            pass

    metrics = Metrics()
"""


@pytest.mark.parametrize("target", [":Metrics", ":metrics"])
def test_an_entry_point_names_a_class_or_an_object(install, found, target):
    install("qtasks-metrics", CLASS, metrics=target)
    assert found()["metrics"].hooks == ("worker_start",)


FAILING = {
    "raising on import": ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
    "leaving on import": ("raise SystemExit(3)", "SystemExit: 3"),
    "a syntax error": ("def", "SyntaxError: "),
    "a missing dependency": ("import nonexistent", "ModuleNotFoundError: No module named 'nonexistent'"),
    "no version": (SOUND.replace("QTASKS_PLUGIN_API = 1", ""), "Its author adds QTASKS_PLUGIN_API = 1 there."),
    "a version that is no number": (SOUND.replace("API = 1", "API = '1'"), "QTASKS_PLUGIN_API is '1'"),
    "a newer version": (SOUND.replace("API = 1", "API = 2"), "pip install -U qtasks-core"),
    "an older version": (SOUND.replace("API = 1", "API = 0"), "pip install -U broken-plugin"),
    "a misspelt hook": (SOUND.replace("worker_start", "worker_strat"), "Did you mean 'worker_start'?"),
    "no hook": ("QTASKS_PLUGIN_API = 1", "implements no hook"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_plugin_that_fails_has_a_reason_and_stops_no_other(install, found, caplog, case):
    source, reason = FAILING[case]
    install("broken-plugin", source, broken="")
    install("sound", SOUND, zebra="")
    plugins = found()
    assert plugins["zebra"].state == "loaded"
    assert (plugins["broken"].state, plugins["broken"].distribution) == ("failed", "broken-plugin")
    assert reason in plugins["broken"].reason
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert reason in caplog.text


def test_an_attribute_that_is_not_there_is_a_reason(install, found):
    install("broken", SOUND, broken=":plugin")
    assert found()["broken"].reason.startswith("AttributeError: ")


def test_two_distributions_with_one_name_are_told_apart(install, found):
    install("one", SOUND, redis="")
    install("other", SOUND, redis="")
    registry = HookRegistry()
    discover(registry, builtin="the_builtins")
    _, loaded, failed = registry.plugins()
    assert {loaded.distribution, failed.distribution} == {"one", "other"}
    assert (loaded.state, failed.state) == ("loaded", "failed")
    assert "A plugin 'redis' is registered already." in failed.reason


def test_nobody_gets_past_the_lists_under_the_name_of_the_core(install, found):
    install("evil", SOUND, core="")
    assert found(plugins=[])["core"].reason == "not in plugins=[...]"
    assert "registered already" in found()["core"].reason


@pytest.fixture
def three(install):
    for name in ("a", "b", "c"):
        install(f"dist-{name}", SOUND, **{name: ""})


LISTS = {
    "no list": ({}, {}, {}),
    "QTASKS_PLUGINS": ({"QTASKS_PLUGINS": " a , c"}, {}, {"b": "not in QTASKS_PLUGINS"}),
    "QTASKS_PLUGINS with the core": ({"QTASKS_PLUGINS": "core,a,b"}, {}, {"c": "not in QTASKS_PLUGINS"}),
    "an empty QTASKS_PLUGINS": ({"QTASKS_PLUGINS": ""}, {}, dict.fromkeys("abc", "not in QTASKS_PLUGINS")),
    "QTASKS_PLUGINS_DISABLE": ({"QTASKS_PLUGINS_DISABLE": "b,x"}, {}, {"b": "in QTASKS_PLUGINS_DISABLE"}),
    "the core in QTASKS_PLUGINS_DISABLE": ({"QTASKS_PLUGINS_DISABLE": "core"}, {}, {}),
    "plugins=": ({}, {"plugins": ["a"]}, {"b": "not in plugins=[...]", "c": "not in plugins=[...]"}),
    "two lists": (
        {"QTASKS_PLUGINS": "a,b"},
        {"plugins": ["b", "c"]},
        {"a": "not in plugins=[...]", "c": "not in QTASKS_PLUGINS"},
    ),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_plugin_must_pass_every_list(three, found, monkeypatch, case):
    environment, options, skipped = LISTS[case]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    plugins = found(**options)
    assert {name: info.reason for name, info in plugins.items() if info.state == "skipped"} == skipped
    assert {name for name, info in plugins.items() if info.state == "loaded"} == {*"abc"} - set(skipped)


def test_a_plugin_that_is_skipped_is_not_imported(three, found):
    found(plugins=["a"])
    assert "dist_a" in sys.modules
    assert "dist_b" not in sys.modules


def test_a_listed_plugin_that_is_not_installed_is_a_failure(install, found, monkeypatch):
    install("qtasks-metrics", SOUND, metrics="")
    monkeypatch.setenv("QTASKS_PLUGINS", "metrisc")
    assert found()["metrisc"] == PluginInfo(
        "metrisc", "", state="failed", reason="in QTASKS_PLUGINS, but not installed. Did you mean 'metrics'?"
    )


def test_strict_makes_failures_fatal_and_lists_them_all(install, found, monkeypatch):
    install("one", "raise RuntimeError('no GPU')", one="")
    install("two", "QTASKS_PLUGIN_API = 1", two="")
    monkeypatch.setenv("QTASKS_PLUGINS_STRICT", "1")
    with pytest.raises(PluginError, match=r"(?s)^2 of .*- one: RuntimeError: no GPU.*- two: .*implements no hook"):
        found()


def test_strict_does_not_mind_what_somebody_asked_to_skip(three, found, monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS_STRICT", "1")
    monkeypatch.setenv("QTASKS_PLUGINS_DISABLE", "a")
    assert found()["a"].state == "skipped"


@pytest.mark.parametrize("value", ["0", "no", ""])
def test_strict_can_be_switched_off(install, found, monkeypatch, value):
    install("one", "raise RuntimeError", one="")
    monkeypatch.setenv("QTASKS_PLUGINS_STRICT", value)
    assert found()["one"].state == "failed"


def test_strict_that_is_neither_yes_nor_no_is_an_error(install, found, monkeypatch):
    install("one", "raise RuntimeError", one="")
    monkeypatch.setenv("QTASKS_PLUGINS_STRICT", "maybe")
    with pytest.raises(ConfigError, match="QTASKS_PLUGINS_STRICT is 'maybe'"):
        found()
