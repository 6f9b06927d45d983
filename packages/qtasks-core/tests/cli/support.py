"""The command in this process."""

import inspect

from click.testing import CliRunner
from qtasks.cli import main


def invoke(*words, **settings):
    """Call the command in this process: the result has `exit_code`, `stdout` and `stderr`."""
    separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}  # click 8.1
    return CliRunner(**separate).invoke(main, words, **settings)
