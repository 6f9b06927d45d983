"""`qtasks plugins new` and `qtasks plugins check`; what they write is built and tested in tests/authors."""

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from cli.support import invoke
from qtasks.cli.authors.check import examine

SOUND = """
from qtasks import hookimpl
QTASKS_PLUGIN_API = 1

@hookimpl
def register_commands(register):
    register("greet", "acme:greet")

def greet():
    pass
"""


def distribution(source, entry="acme"):
    """A directory with a distribution that nobody has installed."""
    Path("acme/src").mkdir(parents=True)
    Path("acme/src/acme.py").write_text(source)
    Path("acme/pyproject.toml").write_text(
        f'[project]\nname = "acme"\nversion = "3.0"\n[project.entry-points.qtasks]\nacme = "{entry}"\n'
    )


def checked(installed, *words):
    """The findings of a check by what was looked at, and its exit code."""
    code, out, err = installed("plugins", "check", "acme", *words, "--json")
    assert out, err
    return {finding["check"]: finding for finding in json.loads(out)}, code


def test_a_name_that_resembles_that_of_the_template_is_kept():
    assert invoke("plugins", "new", "plugin", "resampled", "--path", ".").exit_code == 0
    assert 'resampled = "resampled.plugin"' in Path("pyproject.toml").read_text()
    assert "def main(" in Path("src/resampled/command.py").read_text()


@pytest.mark.parametrize("kind", ["plugin", "broker", "storage"])
def test_what_is_written_has_its_own_names_everywhere_and_passes_the_check(installed, kind):
    assert invoke("plugins", "new", kind, "qtasks-acme-web", "--path", "acme").exit_code == 0
    files = {str(file.relative_to("acme")): file.read_text() for file in Path("acme").rglob("*") if file.is_file()}
    assert {"pyproject.toml", "README.md", "src/qtasks_acme_web/plugin.py", "src/qtasks_acme_web/py.typed"} <= {*files}
    assert not [name for name, text in files.items() if "sample" in (name + text).lower() or "KIND" in text]
    assert f'"A {kind} for QTasks: acme-web"' in files["pyproject.toml"]
    findings, code = checked(installed)
    assert code == 0
    assert findings["plugin"]["found"] == "acme-web: qtasks_acme_web.plugin, of qtasks-acme-web 0.1.0"
    assert "problem" not in {finding["state"] for finding in findings.values()}


def test_nothing_is_overwritten():
    Path("qtasks-acme").mkdir()
    Path("qtasks-acme/notes").write_text("mine")
    answer = invoke("plugins", "new", "plugin", "qtasks-acme")
    assert (answer.exit_code, [*Path("qtasks-acme").iterdir()]) == (2, [Path("qtasks-acme/notes")])
    assert "nothing is overwritten" in answer.stderr


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("brocker", "qtasks-acme", "Did you mean 'broker'?"),
        ("plugin", "a/b", "'a/b' is no name of a distribution"),
        ("plugin", "acme-", "'acme-' is no name of a distribution"),
        ("plugin", "../acme", "is no name of a distribution"),
        ("plugin", "1acme", "No module can be called '1acme'"),
        ("plugin", "class", "No module can be called 'class'"),
        ("broker", "json", "There is a module 'json' already"),
        ("broker", "qtasks", "There is a module 'qtasks' already"),
        ("plugin", "qtasks-run", "There is a command `qtasks run` already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(kind, name, says):
    answer = invoke("plugins", "new", kind, name)
    assert answer.exit_code == 2
    assert says in answer.stderr
    assert [*Path().iterdir()] == []


@pytest.mark.parametrize(
    ("source", "check", "found", "mend"),
    [
        (SOUND.replace("register_commands", "register_command"), "hooks", "there is no hook", "register_commands"),
        (SOUND.replace("(register)", "(registre)"), "hooks", "asks for 'registre'", "Did you mean 'register'"),
        (SOUND.replace("= 1", "= 2"), "hooks", "made for version 2", "pip install -U"),
        (SOUND.replace("QTASKS_PLUGIN_API = 1", ""), "hooks", "does not say for which QTasks", "QTASKS_PLUGIN_API = 1"),
        ("raise RuntimeError('no GPU')", "hooks", "RuntimeError: no GPU", ""),
        (SOUND, "command", "greet: acme:greet", "Let it be a click command."),
        (SOUND.replace("acme:greet", "acme:gone"), "command", "AttributeError", ""),
        (SOUND.replace('register("greet", "acme:greet")', "1 / 0"), "command", "raised ZeroDivisionError", "Mend"),
    ],
)
def test_what_is_wrong_is_found_with_its_mend(monkeypatch, source, check, found, mend):
    Path("acme.py").write_text(source)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.delitem(sys.modules, "acme", raising=False)
    findings = {finding.check: finding for finding in examine(EntryPoint("acme", "acme", "qtasks"))}
    assert findings[check].state == "problem"
    assert found in findings[check].found
    assert mend in findings[check].mend


def test_an_entry_point_that_imports_much_is_warned_of(installed):
    distribution("import asyncio, hypothesis" + SOUND.replace("acme:greet", "qtasks.cli.init:init"))
    findings, code = checked(installed)
    assert (findings["import"]["state"], code) == ("warning", 0)
    assert {"asyncio", "hypothesis"} <= {*findings["import"]["found"].replace(",", "").split()}


def test_a_distribution_that_is_not_installed_is_judged_by_its_exit_code(installed):
    distribution(SOUND)
    findings, code = checked(installed)
    assert (findings["command"]["state"], code) == ("problem", 1)


def test_a_project_without_a_plugin_is_told_what_to_write(installed):
    distribution(SOUND)
    Path("acme/pyproject.toml").write_text('[project]\nname = "acme"\n')
    code, _, err = installed("plugins", "check", "acme")
    assert code == 2
    assert "[project.entry-points.qtasks]" in err


def test_a_project_file_that_is_no_toml_is_told(installed):
    distribution(SOUND)
    Path("acme/pyproject.toml").write_text("[project\n")
    code, _, err = installed("plugins", "check", "acme")
    assert code == 2
    assert "cannot be read" in err
    assert "Traceback" not in err


def test_an_entry_point_that_ends_the_process_is_a_problem(installed):
    distribution("raise SystemExit(0)")
    findings, code = checked(installed)
    assert (findings["hooks"]["state"], code) == ("problem", 1)
    assert "SystemExit" in findings["hooks"]["found"]


def test_an_entry_point_that_prints_as_python_ends_is_measured_all_the_same(installed):
    distribution("import atexit; atexit.register(print, 'bye')" + SOUND.replace("acme:greet", "qtasks.cli.init:init"))
    out = installed("plugins", "check", "acme")[1]
    assert " ms" in out


def test_the_password_of_a_url_is_not_shown(installed):
    assert invoke("plugins", "new", "broker", "qtasks-acme", "--path", "acme").exit_code == 0
    findings, code = checked(installed, "--url", "acme://me:secret@here/there")
    assert (findings["conformance"]["state"], code) == ("problem", 1)
    assert "secret" not in str(findings)


def test_a_name_that_is_not_installed_is_answered_with_those_that_are():
    answer = invoke("plugins", "check", "nosuch")
    assert answer.exit_code == 2
    assert "No plugin 'nosuch' is installed." in answer.stderr
