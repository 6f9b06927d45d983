"""How `qtasks run` writes its log."""

import json
import logging
import sys

import pytest
from qtasks import QueueConfig
from qtasks.app import logs


@pytest.fixture
def root(monkeypatch) -> logging.Logger:
    """A root logger of the test's own."""
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "getLogger", lambda: root)
    return root


def record(**extra) -> logging.LogRecord:
    found = logging.makeLogRecord({"name": "mine", "levelname": "INFO", "msg": "in %d", "args": (3,), **extra})
    logs.add_task(found)
    return found


def formatter(root: logging.Logger) -> logging.Formatter:
    (handler,) = (each for each in root.handlers if isinstance(each, logs._Stderr))
    return handler.formatter


def test_the_config_of_the_application_gives_format_and_level(root):
    logs.configure()
    logs.configure(config=QueueConfig(logs_format="%(name)s|%(message)s", logs_default_level_server=logging.ERROR))
    assert root.level == logging.ERROR
    assert formatter(root).format(record()) == "mine|in 3"


def test_the_level_of_the_command_line_wins(root):
    logs.configure(level="debug")
    logs.configure(level="debug", config=QueueConfig())
    assert root.level == logging.DEBUG


def test_handlers_that_the_application_has_set_instead_stay_as_they_are(root):
    logs.configure()
    root.handlers[:] = [own] = [logging.NullHandler()]
    logs.configure(config=QueueConfig())
    assert root.handlers == [own]


def test_the_task_is_named_once():
    inside = record()
    inside.task_id, inside.task_name, inside.attempt = "1f", "add", 2
    assert logs.TextFormatter("%(message)s").format(inside) == "in 3 [add 1f attempt 2]"
    assert logs.TextFormatter("%(task_id)s %(message)s").format(inside) == "1f in 3"


def test_a_traceback_comes_after_the_task():
    try:
        int("no")
    except ValueError:
        inside = record(exc_info=sys.exc_info())
    inside.task_id, inside.task_name = "1f", "add"
    first, *_, last = logs.TextFormatter("%(message)s").format(inside).splitlines()
    assert first == "in 3 [add 1f attempt 0]"
    assert last.startswith("ValueError")


def test_a_json_line_holds_whatever_was_given():
    line = json.loads(logs.JsonFormatter().format(record(amount=3, what=object)))
    assert (line["message"], line["level"], line["logger"]) == ("in 3", "INFO", "mine")
    assert (line["amount"], line["what"]) == (3, "<class 'object'>")
    assert "task_id" not in line


@pytest.mark.parametrize(
    ("given", "told"),
    [("caf\udce9", "caf\\udce9"), ({None: 1}, "{None: 1}"), (2**70, 2**70), ({(1, 2)}, [[1, 2]])],
    ids=["text that is no UTF-8", "a key that is no text", "a long number", "a set"],
)
def test_a_json_line_is_written_whatever_was_given(given, told):
    line = json.loads(logs.JsonFormatter().format(record(what=given)))
    assert (line["what"], line["message"]) == (told, "in 3")


def test_a_json_line_holds_the_stack_that_was_asked_for():
    assert json.loads(logs.JsonFormatter().format(record(stack_info="Stack: here")))["stack"] == "Stack: here"
