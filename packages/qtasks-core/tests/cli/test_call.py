"""`qtasks call`: what becomes of the words, and what is printed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from qtasks.cli.call import parse
from qtasks.testing import running


@pytest.mark.parametrize(
    ("words", "args", "kwargs"),
    [
        ([], [], {}),
        (["[1, 2]"], [1, 2], {}),
        (["1", "-2", "2.5", "true", "null"], [1, -2, 2.5, True, None], {}),
        (["[[1, 2]]"], [[1, 2]], {}),
        (['{"x": 1}'], [], {"x": 1}),
        (["x=1", "y=[1]", "z=Ada"], [], {"x": 1, "y": [1], "z": "Ada"}),
        (["Ada", "01", "NaN"], ["Ada", "01", "NaN"], {}),
        (["a b=c"], ["a b=c"], {}),
        (["x=a=b", "y="], [], {"x": "a=b", "y": ""}),
        (["[1]", "x=2"], [1], {"x": 2}),
    ],
)
def test_words_become_arguments(words, args, kwargs):
    assert parse(words) == (args, kwargs)


def test_the_id_is_printed_and_the_task_waits(qtasks, queue):
    answer = qtasks("call", "charge", "7", "currency=EUR", "--queue", "money", "--priority", "-5", "--delay", "1h")
    task = queue.get(answer.stdout.strip())
    assert (task.task_name, task.args, task.kwargs) == ("charge", [7], {"currency": "EUR"})
    assert (task.queue, task.priority) == ("money", -5)
    assert task.message.due - task.message.enqueued == 3_600_000_000


def test_an_option_without_a_usable_value_is_wrong_usage(qtasks):
    answer = qtasks("call", "charge", "--delay", "soon")
    assert answer.exit_code == 2
    assert "'soon' is not a duration" in answer.stderr


def test_a_task_that_is_not_registered_is_added_with_a_note(installed, app_file):
    code, out, err = installed("-A", "app:app", "call", "nosuch")
    assert code == 0
    assert len(out.strip()) == 32
    assert err == "'nosuch' is not registered in app:app; it waits for a worker that knows it.\n"


def test_time_up_is_a_failure_that_says_where_to_look(qtasks):
    answer = qtasks("call", "charge", "--timeout", "1ms")
    assert answer.exit_code == 1
    assert "has not ended yet" in answer.stderr
    assert "qtasks stats inspect task " in answer.stderr
    assert answer.stdout == ""


@pytest.fixture
def worker(queue):
    """A worker in this process that knows the tasks `add` and `fail`."""

    @queue.task
    def add(x, y):
        return x + y

    @queue.task
    def fail():
        raise ValueError("no\x1b[2J")

    with running(queue):
        yield


def test_the_result_is_printed_as_json(qtasks, worker):
    answer = qtasks("call", "add", '["a", "b"]', "--timeout", "20s")
    assert (answer.exit_code, answer.stdout) == (0, '"ab"\n')


def test_a_task_that_fails_is_a_failure_with_its_error(qtasks, worker):
    answer = qtasks("call", "fail", "--timeout", "20s")
    assert answer.exit_code == 1
    assert "ended with status error: ValueError: no" in answer.stderr
    assert "\x1b" not in answer.stderr


def test_json_has_id_status_result_and_error(qtasks, worker):
    told = json.loads(qtasks("call", "add", "2", "3", "--timeout", "20s", "--json").stdout)
    assert (told["status"], told["result"], told["error"]) == ("success", 5, "")
    answer = qtasks("call", "fail", "--timeout", "20s", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["error"][:10]) == (1, "ValueError")


def test_what_init_writes_runs(installed):
    assert installed("init")[0] == 0
    adding = subprocess.Popen([sys.executable, "app.py"], stdout=subprocess.PIPE, text=True)
    try:
        code, out, _ = installed("-A", "app:app", "call", "greet", "name=Ada")
        assert code == 0
        assert installed("-A", "app:app", "run", "--burst")[0] == 0
        told = json.loads(installed("stats", "inspect", "task", out.strip(), "--json")[1])
        assert told["result"] == "Hello, Ada!"
        assert installed("-A", "app:app", "run", "--burst")[0] == 0
        assert adding.communicate(timeout=30)[0] == "add(2, 3) is 5\n"
    finally:
        adding.kill()
        adding.communicate()


def test_init_overwrites_nothing(installed):
    Path("README.md").write_text("mine")
    code, _, err = installed("init")
    assert code == 1
    assert "There is README.md here already" in err
    assert Path("README.md").read_text() == "mine"
    assert not Path("app.py").exists()
