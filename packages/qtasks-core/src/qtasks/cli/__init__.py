"""The `qtasks` command: `commands.py` finds a command, `target.py` its application, one module each does the work.

Nothing that a command needs is imported before it is called: `qtasks --help` answers at once.
"""

import click

from qtasks._version import __version__
from qtasks.cli.commands import Commands
from qtasks.cli.target import target_options


@click.group(
    cls=Commands,
    lazy={
        "call": ("qtasks.cli.call:call", "Add a task by its name, and wait for its result if you like."),
        "dlq": ("qtasks.cli.dlq:dlq", "Look at dead letters, replay or drop them."),
        "doctor": ("qtasks.cli.doctor:doctor", "Check the installation, the broker and the workers."),
        "init": ("qtasks.cli.init:init", "Write a small working application into this directory."),
        "plugins": ("qtasks.cli.plugins:plugins", "Show which plugins are installed, and how they fare."),
        "run": ("qtasks.cli.run:run", "Run workers of an application."),
        "stats": ("qtasks.cli.stats:stats", "Look inside: queues, tasks, workers, plugins, dead letters."),
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@target_options
@click.version_option(__version__, message="qtasks %(version)s")
def main() -> None:
    """Run and look after the tasks of a QTasks application.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unhealthy (doctor), 4 not found.
    """
