"""The conformance suite of global configs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from qtasks.ports import BackendContext

from qtasks_testkit.conformance.base import Conformance
from qtasks_testkit.faces import FACES, PATIENCE_S
from qtasks_testkit.rig import Driven, Place

OpenConfig: TypeAlias = Callable[..., Driven]


class GlobalConfigConformance(Conformance):
    """What `qtasks.ports.GlobalConfig` promises."""

    @pytest.fixture
    def open_config(self, place: Place, face: str) -> Iterator[OpenConfig]:
        """Open another one at the same place."""
        opened: list[Driven] = []
        driver = FACES[face]()

        def open_(namespace: str = "conformance") -> Driven:
            config = place.connect_config(BackendContext(namespace=namespace))
            opened.append(Driven(driver.view(config), driver))
            opened[-1].open()
            return opened[-1]

        yield open_
        for config in reversed(opened):
            config.close()
        driver.close()

    @pytest.fixture
    def config(self, open_config: OpenConfig) -> Driven:
        return open_config()

    def test_what_was_never_set_is_none(self, config: Driven) -> None:
        assert config.get("app", "key") is None
        assert config.get_all("app") == {}
        assert config.get_match("app", "*") == {}

    @pytest.mark.parametrize("value", [1, -0.5, "ключ", True, False, [1, [None]], {"a": {"b": []}}, 2**60, "", 0])
    def test_value_is_read_as_it_was_set(self, config: Driven, open_config: OpenConfig, value: object) -> None:
        config.set("app", "key", value)
        for reader in (config, open_config()):
            found = reader.get("app", "key")
            assert (found, type(found)) == (value, type(value))

    def test_value_that_was_set_is_replaced(self, config: Driven) -> None:
        config.set("app", "key", 1)
        config.set("app", "key", 2)
        assert config.get_all("app") == {"key": 2}

    def test_none_deletes(self, config: Driven) -> None:
        config.set("app", "key", 1)
        config.set("app", "key", None)
        config.set("app", "other", None)
        assert config.get_all("app") == {}

    def test_names_and_namespaces_are_kept_apart(self, config: Driven, open_config: OpenConfig) -> None:
        config.set("app", "key", 1)
        open_config("other").set("app", "key", 2)
        config.set("app2", "key", 3)
        assert (config.get("app", "key"), config.get_all("app2")) == (1, {"key": 3})
        assert open_config("other").get_all("app") == {"key": 2}

    def test_keeping_a_value_does_not_keep_the_callers_object(self, config: Driven) -> None:
        value = {"list": [1]}
        config.set("app", "key", value)
        value["list"].append(2)
        config.get("app", "key")["list"].append(3)
        assert config.get("app", "key") == {"list": [1]}

    @pytest.mark.parametrize(
        ("pattern", "keys"),
        [
            ("*", {"a.b", "ab", "a_b", "A.b", "a-c.b"}),
            ("a*", {"a.b", "ab", "a_b", "a-c.b"}),
            ("a?b", {"a.b", "a_b"}),
            ("a_b", {"a_b"}),
            ("a.b", {"a.b"}),
            ("*.b", {"a.b", "A.b", "a-c.b"}),
            ("[a]b", set()),
            ("a", set()),
            ("%", set()),
        ],
    )
    def test_keys_are_matched_by_star_and_question_mark_only(
        self, config: Driven, pattern: str, keys: set[str]
    ) -> None:
        for key in ("a.b", "ab", "a_b", "A.b", "a-c.b"):
            config.set("app", key, key)
        config.set("other", "a.b", 1)
        assert config.get_match("app", pattern) == {key: key for key in keys}

    def test_change_is_seen_by_version(self, config: Driven, open_config: OpenConfig) -> None:
        assert config.wait_change(0, 0) == 0
        config.set("app", "key", 1)
        first = config.wait_change(0, PATIENCE_S)
        assert first != 0
        assert config.wait_change(first, 0) == first
        open_config().set("app", "key", None)
        assert config.wait_change(first, PATIENCE_S) != first

    def test_wait_for_a_change_ends_when_time_is_up(self, config: Driven) -> None:
        config.set("app", "key", 1)
        version = config.wait_change(0, 0)
        assert config.wait_change(version, 0.01) == version

    def test_watcher_is_told_of_a_change(self, config: Driven, open_config: OpenConfig) -> None:
        watcher = open_config()
        version = watcher.wait_change(0, 0)
        for value in range(5):
            change = watcher.start("wait_change", version, PATIENCE_S)
            config.set("app", "key", value)
            assert change() != version
            version = watcher.wait_change(version, 0)
            assert watcher.get("app", "key") == value
