"""QTasks 1.7 name by name: modules and triggers, as `tests/compat/names.toml` lists them."""

import importlib
import tomllib
from pathlib import Path

import pytest
from qtasks.hooks import SPECS

SURFACE = tomllib.loads((Path(__file__).parents[1] / "compat/names.toml").read_text(encoding="utf-8"))

INSTEAD = {
    "RabbitMQBroker": "pip install qtasks-rabbitmq",
    "KafkaBroker": "pip install qtasks-kafka",
    "SocketBroker": 'QueueTasks(broker_url="sqlite:',
}
"""What the ImportError says where there is no such broker."""


@pytest.mark.parametrize("path", SURFACE["modules"])
def test_a_module_has_its_names(path):
    module = importlib.import_module(path)
    for word in SURFACE["modules"][path].split():
        for name in {word.replace("*", "Async"), word.replace("*", "Sync")}:
            try:
                assert getattr(module, name) is not None
            except ImportError as error:
                assert INSTEAD[word.removeprefix("*")] in str(error)  # noqa: PT017 - some are there


@pytest.mark.parametrize("trigger", SURFACE["triggers"])
def test_a_trigger_has_its_keywords_and_answers(trigger):
    keywords, _, answers = SURFACE["triggers"][trigger].partition("->")
    spec = SPECS[trigger]
    assert set(keywords.split()) == set(spec.params) - spec.added
    assert set(answers.split()) == set(spec.returns)
