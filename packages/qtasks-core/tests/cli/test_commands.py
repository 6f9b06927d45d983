"""Which commands there are, and how one that is not there is answered."""

import subprocess
import sys
import textwrap
from pathlib import Path

from cli.support import invoke
from qtasks import __version__
from qtasks.cli import main

PLUGIN = """
    import click
    from qtasks.hooks import hookimpl

    QTASKS_PLUGIN_API = 1

    @hookimpl
    def register_commands(register):
        register("greet", "qtasks_greet:greet", help="Say hello.")

    @click.command()
    def greet():
        click.echo("Hello from a plugin.")
"""


def install_plugin(directory):
    """Install a distribution that brings the command `greet` into a directory."""
    metadata = Path(directory, "qtasks_greet-1.0.dist-info")
    metadata.mkdir(parents=True)
    Path(directory, "qtasks_greet.py").write_text(textwrap.dedent(PLUGIN))
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: qtasks-greet\nVersion: 1.0\n")
    metadata.joinpath("entry_points.txt").write_text("[qtasks]\ngreet = qtasks_greet\n")


def test_the_help_lists_what_there_is_and_nothing_else(monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS", "")  # those of installed plugins stand beside them
    answer = invoke("--help")
    listed = [line.split()[0] for line in answer.stdout.partition("Commands:\n")[2].splitlines()]
    assert answer.exit_code == 0
    assert listed == ["call", "dlq", "doctor", "init", "plugins", "run", "stats"]


def test_every_listed_command_can_be_imported():
    for name in main.list_commands(None):
        assert invoke(name, "--help").exit_code == 0


def test_the_help_imports_no_command():
    program = "import sys; from qtasks.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.splitlines()[-1].split() if name.startswith("qtasks.")}
    assert {name for name in ours if name.startswith("qtasks.cli.")} == {"qtasks.cli.commands", "qtasks.cli.target"}
    assert not any(name.startswith(("qtasks.stats", "qtasks.backends", "qtasks.worker")) for name in ours)


def test_a_command_of_a_plugin_that_is_not_there_is_answered_with_its_pip_line(monkeypatch):
    monkeypatch.setenv("QTASKS_PLUGINS", "")
    assert 'pip install "qtasks-plugins[schedules]"' in invoke("schedule", "ls").stderr


def test_the_version_is_told():
    assert invoke("--version").stdout == f"qtasks {__version__}\n"


def test_a_misspelt_command_is_answered_with_the_nearest():
    answer = invoke("plugin")
    assert answer.exit_code == 2
    assert "No such command 'plugin'. Did you mean 'plugins'?" in answer.stderr


def test_web_says_that_it_is_not_part_of_this_version():
    answer = invoke("web")
    assert answer.exit_code == 2
    assert "web is not part of this version" in answer.stderr


def test_a_plugin_brings_a_command(installed, tmp_path):
    install_plugin(tmp_path / "site")
    code, out, err = installed("greet", PYTHONPATH=str(tmp_path / "site"))
    assert (code, out, err) == (0, "Hello from a plugin.\n", "")
    _, helped, _ = installed("--help", PYTHONPATH=str(tmp_path / "site"))
    assert ["greet", "Say", "hello."] in [line.split() for line in helped.splitlines()]
