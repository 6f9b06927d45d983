"""Which application a command works on, and what is said where there is none."""

import re
from pathlib import Path

import pytest
from qtasks.cli.target import Target

USAGE = 2


def one_message(answer):
    """The cause and its mend, of an answer that has nothing else to say."""
    code, out, err = answer
    assert code == USAGE
    assert out == ""
    assert "Traceback" not in err
    cause, mend = err.strip().split("\n")
    assert cause.startswith("Error: ")
    return cause.removeprefix("Error: "), mend


def test_a_module_that_is_not_there_is_one_clear_message(installed, app_file):
    cause, mend = one_message(installed("-A", "nosuch:app", "run"))
    assert "no module 'nosuch'" in cause
    assert str(Path.cwd()) in cause
    assert "PYTHONPATH" in mend


def test_an_attribute_that_is_not_there_is_one_clear_message(installed, app_file):
    cause, mend = one_message(installed("-A", "app:nosuch", "run"))
    assert cause == "Module 'app' has no attribute 'nosuch'."
    assert "app" in mend


def test_a_path_is_no_application(installed, app_file):
    cause, mend = one_message(installed("-A", "../x:app", "run"))
    assert "'../x:app'" in cause
    assert "-A app:app" in mend


@pytest.mark.parametrize("spec", ["app.py", "app.py:app"])
def test_a_file_is_no_module(installed, app_file, spec):
    _, mend = one_message(installed("-A", spec, "run"))
    assert mend == "A module is meant, not its file: write -A app."


def test_a_task_is_no_application(installed, app_file):
    cause, mend = one_message(installed("-A", "app:add", "run"))
    assert cause == "app:add is no application but a task."
    assert "app" in mend


def test_a_command_that_needs_an_application_says_how_to_name_one(installed):
    cause, mend = one_message(installed("run"))
    assert cause == "No application was given."
    assert "QTASKS_APP" in mend
    assert "pyproject.toml" in mend


def test_a_broker_that_is_not_installed_is_answered_with_the_pip_line(installed):
    cause, mend = one_message(installed("-u", "redis://localhost", "dlq", "ls", QTASKS_PLUGINS=""))
    assert cause == "No broker for redis://."
    assert "pip install qtasks-redis" in mend


def test_the_import_error_of_the_users_module_keeps_its_traceback(installed):
    Path("app.py").write_text("import tasks_of_yesterday\n")
    code, _, err = installed("-A", "app:app", "stats", "inspect", "app")
    assert code == 1
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.rstrip().endswith("ModuleNotFoundError: No module named 'tasks_of_yesterday'")


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        ("import other\n", ["app.py", "other.py"]),
        ("def app():\n    return 1 / 0\n", ["app.py"]),
        ("def app(:\n", ["app.py"]),
    ],
)
def test_the_traceback_begins_in_the_users_own_code(installed, content, frames):
    Path("app.py").write_text(content)
    Path("other.py").write_text("raise RuntimeError('no')\n")
    code, _, err = installed("-A", "app:app", "call", "add")
    assert code == 1
    assert [Path(path).name for path in re.findall(r'File "(.*)", line', err)] == frames


@pytest.mark.parametrize("option", ["-A", "-app", "--app"])
def test_every_spelling_of_the_option_names_the_application(installed, app_file, option):
    code, out, _ = installed(option, "app:app", "stats", "inspect", "app")
    assert code == 0
    assert out.startswith("name     shop\n")


def test_the_option_may_stand_behind_the_command(installed, app_file):
    code, out, _ = installed("stats", "inspect", "app", "-A", "app:app")
    assert (code, out.split()[1]) == (0, "shop")


def test_the_option_may_stand_behind_run(installed, app_file):
    code, _, err = installed("run", "--burst", "-A", "app:app")
    assert code == 0
    assert "app          app:app" in err


def test_a_url_does_not_run_workers(installed, app_file):
    cause, _ = one_message(installed("-u", "sqlite:///other.db", "run", QTASKS_APP="app:app"))
    assert cause == "No application was given."


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Target(), "qtasks doctor"),
        (Target(app="app:app"), "qtasks -A app:app doctor"),
        (Target(url="sqlite:///a b.db", namespace="mine"), "qtasks -u 'sqlite:///a b.db' --namespace mine doctor"),
        (Target(url="redis://me:p@ss@host/0"), "qtasks -u 'redis://***@host/0' doctor"),
        (Target(url="sqlite:///a@b/c.db"), "qtasks -u sqlite:///a@b/c.db doctor"),
    ],
)
def test_a_printed_command_repeats_the_application_without_its_password(target, command):
    assert target.command("doctor") == command


def test_a_function_that_makes_the_application_is_called(installed, app_file):
    code, out, _ = installed("-A", "app:make", "stats", "inspect", "app")
    assert (code, out.split()[1]) == (0, "shop")


def test_the_environment_names_the_application(installed, app_file):
    code, out, _ = installed("stats", "inspect", "app", QTASKS_APP="app:app")
    assert (code, out.split()[1]) == (0, "shop")


def test_pyproject_names_the_application(installed, app_file):
    Path("pyproject.toml").write_text('[tool.qtasks]\napp = "app:app"\n')
    code, out, _ = installed("stats", "inspect", "app")
    assert (code, out.split()[1]) == (0, "shop")


@pytest.mark.parametrize("content", [b"[tool\n", b"[tool]\nqtasks = 3\n", b"\xff"])
def test_a_broken_pyproject_is_named(installed, content):
    Path("pyproject.toml").write_bytes(content)
    code, _, err = installed("stats", "inspect", "app")
    assert code == USAGE
    assert "pyproject.toml is not TOML" in err


def test_a_url_on_the_command_line_beats_an_application_in_the_environment(installed):
    Path("app.py").write_text("raise SystemExit('imported')\n")
    where = ["-u", "sqlite:///other.db", "--namespace", "mine"]
    code, out, _ = installed(*where, "stats", "inspect", "app", QTASKS_APP="app:app")
    assert code == 0
    assert out.split()[1] == "mine"
    assert "other.db" in out


def test_the_environment_names_the_url(installed):
    code, out, _ = installed("stats", "inspect", "app", QTASKS_URL="sqlite:///other.db")
    assert code == 0
    assert "other.db" in out


def test_an_application_and_a_url_exclude_each_other(installed, app_file):
    code, _, err = installed("-A", "app:app", "-u", "memory://", "dlq", "ls")
    assert code == USAGE
    assert "Give -A, or -u and --namespace" in err


def test_two_v_show_the_traceback_of_our_own_errors(installed):
    code, _, err = installed("-vv", "-A", "nosuch:app", "run")
    assert code == USAGE
    assert "Traceback" in err
    assert "Error: There is no module 'nosuch'" in err


def test_one_v_shows_the_log(installed):
    code, _, err = installed("-v", "call", "charge")
    assert code == 0
    assert "Tasks go to sqlite:" in err


def test_a_backend_that_cannot_be_reached_is_a_failure_with_its_mend(installed):
    code, _, err = installed("-u", "sqlite:///no/such/place.db", "dlq", "ls")
    assert code == 1
    assert "Traceback" not in err
    assert "cannot be created" in err
