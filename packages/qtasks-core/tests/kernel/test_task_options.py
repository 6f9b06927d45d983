"""What `@app.task(...)` may say: each option has its kind, and the words of other queues are answered with ours."""

import re
from pathlib import Path

import pytest
from qtasks import QueueTasks
from qtasks.errors import ConfigError
from qtasks.options import ELSEWHERE

PAGE = Path(__file__).parents[4] / "docs/how-to/from-other-queues.md"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"echo": "yes"}, "echo: expected True or False, found 'yes'"),
        ({"echo": None}, "echo: expected True or False, found None"),
        ({"result": 0}, "result: expected True or False, found 0"),
        ({"priority": "high"}, "priority: expected an integer of 32 bits"),
        ({"retry": True}, "retry: expected how many times to repeat, 0 to 10,000, found True"),
        ({"retry_on_exc": [3]}, "retry_on_exc: expected types of exceptions, found 3"),
        ({"decode": "json"}, "decode: expected something to call, found 'json'"),
        ({"generate_handler": 3}, "generate_handler: expected something to call, found 3"),
        ({"executor": print}, "executor: expected a class, found <built-in function print>"),
        ({"middlewares_before": ["log"]}, "middlewares_before: expected something to call, found 'log'"),
        ({"middlewares_after": ["log"]}, "middlewares_after: expected something to call, found 'log'"),
        ({"tags": [3]}, "tags: expected texts, found 3"),
        ({"tags": 3}, "An option (tags, retry_on_exc, middlewares) takes a list, found 3"),
        ({"description": 3}, "description: expected a text, found 3"),
        ({"max_time": []}, "max_time: expected seconds, a duration text or a timedelta, found list"),
        ({"result_ttl": "never"}, "result_ttl: 'never' is not a duration"),
    ],
)
def test_a_value_of_a_wrong_kind_is_told_with_what_was_expected(memory_app, options, expected):
    with pytest.raises(ConfigError, match=re.escape(expected)):
        memory_app.task("t", **options)(print)
    assert "t" not in memory_app.tasks


@pytest.mark.parametrize("word", ["cron", "every", "schedule"])
def test_a_schedule_that_nobody_would_heed_is_refused(word):
    app = QueueTasks(broker_url="memory://", plugins=[])
    with pytest.raises(ConfigError, match=f"nothing here heeds {word}=") as caught:
        app.task("t", **{word: "1m"})(print)
    assert "qtasks-plugins[schedules]" in caught.value.hint
    assert "t" not in app.tasks


def test_headers_of_a_call_are_a_dict(memory_app):
    with pytest.raises(ConfigError, match="headers: expected a dict, found 'x'"):
        memory_app.task("t")(print).options(headers="x")


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("time_limit", "max_time= (seconds)"),
        ("timeout", "max_time= (seconds)"),
        ("max_retries", "retry= (how many repetitions)"),
        ("autoretry_for", "retry_on_exc=[...]"),
        ("bind", "echo=True"),
        ("queue_name", "queue="),
        ("ignore_result", "result=False"),
    ],
)
def test_a_word_of_another_queue_is_answered_with_ours(memory_app, word, ours):
    with pytest.raises(ConfigError, match=f"A task has no option '{word}'") as raised:
        memory_app.task("t", **{word: 3})(print)
    assert raised.value.hint.startswith(f"Here it is {ours}")


def test_our_words_are_options_of_ours():
    """A hint that names what does not exist would lead in circles."""
    app = QueueTasks("kernel", "memory://words")
    task = app.task("t")(print)
    for ours in ELSEWHERE:
        name = re.match(r"\w+", ours)[0]
        if "of a call" in ours:
            task.options(**{name: 1})
        elif name != "name":
            assert hasattr(task.definition.options, name)


def test_the_words_of_other_queues_are_in_the_documents():
    text = PAGE.read_text(encoding="utf-8")
    assert {word for words in ELSEWHERE.values() for word in words} <= set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("option", ["delay", "eta", "expires", "unique", "headers"])
def test_an_option_of_a_call_is_sent_there(memory_app, option):
    with pytest.raises(ConfigError, match=f"A task has no option '{option}'") as raised:
        memory_app.task("t", **{option: None})(print)
    assert raised.value.hint == f"It is an option of a call: task.options({option}=...)."


def test_options_that_nobody_knows_are_kept_for_plugins(memory_app):
    task = memory_app.task("t", rate_limit="10/m", team="billing")(print)
    assert task.definition.options.extra == {"rate_limit": "10/m", "team": "billing"}


@pytest.mark.parametrize("name", ["", " blank", "line\nbreak", "nul\x00", "x" * 513, 3])
def test_what_is_no_name_of_a_task_is_refused(memory_app, name):
    with pytest.raises(ConfigError, match="task's name must be a line of 1 to 512 characters"):
        memory_app.task(name)(print)
    with pytest.raises(ConfigError, match="task's name must be"):
        memory_app.add_task(name)
    assert len(memory_app.tasks) == 0


def test_a_name_that_is_far_too_long_does_not_fill_the_screen(memory_app):
    with pytest.raises(ConfigError) as raised:
        memory_app.task("x" * 10_000)(print)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("name", ["shop.orders:ship", "größe", "<lambda>", "x" * 512])
def test_names_of_tasks_are_free_otherwise(memory_app, name):
    assert memory_app.task(name)(print).task_name == name
