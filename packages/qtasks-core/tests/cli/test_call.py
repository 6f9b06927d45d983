"""`qtasks call`: what becomes of the words, and what is printed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli.support import invoke
from qtasks.cli.call import parse
from qtasks.result import Task
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


def test_a_misspelt_task_is_told_with_the_nearest(installed, app_file):
    code, _, err = installed("-A", "app:app", "call", "ad", "1", "2")
    assert code == 0
    assert err.endswith("Did you mean 'add'?\n")


@pytest.mark.parametrize("name", ["", " "])
def test_a_task_has_a_name(qtasks, queue, name):
    answer = qtasks("call", name)
    assert answer.exit_code == 2
    assert "TASK is empty" in answer.stderr


@pytest.mark.parametrize("word", ["[2,", "{x: 1}", '"open', "[" * 5000])
def test_what_begins_like_json_and_is_none_is_wrong_usage(qtasks, word):
    answer = qtasks("call", "charge", word)
    assert answer.exit_code == 2
    assert "begins like JSON but is none" in answer.stderr


def test_bytes_that_are_no_text_are_refused(qtasks):
    answer = qtasks("call", "charge", "\udcff")
    assert answer.exit_code == 1
    assert "lone surrogate" in answer.stderr


def test_time_up_is_a_failure_with_the_command_that_looks(qtasks):
    answer = qtasks("call", "charge", "--timeout", "1ms")
    assert answer.exit_code == 1
    assert answer.stdout == ""
    assert "has not ended yet" in answer.stderr
    program, *words = shlex.split(answer.stderr.partition("Its state and result: ")[2])
    assert program == "qtasks"
    assert "task       charge" in invoke(*words).stdout


def test_who_interrupts_the_waiting_is_told_the_id(qtasks, queue, monkeypatch):
    def interrupt(task, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "wait_result", interrupt)
    answer = qtasks("call", "charge", "--timeout", "1h")
    assert answer.exit_code == 1
    assert queue.get(answer.stderr.split()[2]).task_name == "charge"
    assert "stats inspect task" in answer.stderr


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


def test_a_directory_that_cannot_be_written_is_one_message(installed):
    Path("app.py").symlink_to("nosuch/app.py")
    code, _, err = installed("init")
    assert (code, err) == (1, "Error: Could not open file 'app.py': No such file or directory\n")


def test_init_overwrites_nothing(installed):
    Path("README.md").write_text("mine")
    code, _, err = installed("init")
    assert code == 1
    assert "There is README.md here already" in err
    assert Path("README.md").read_text() == "mine"
    assert not Path("app.py").exists()
