"""`qtasks run`: its options, and its end when a signal comes before there is anything to stop.

What it does is in `serve.py`, whose imports take longer than some signals.
"""

from __future__ import annotations

import os
from typing import Any

import click

from qtasks.cli.target import Target, app_option
from qtasks.supervisor.signals import end_at_once, handled


@click.command
@click.option("-c", "--concurrency", type=click.IntRange(1), help="How many tasks a process runs at a time.")
@click.option("-p", "--processes", type=click.IntRange(1, 1000), default=1, show_default=True, help="Worker processes.")
@click.option("-Q", "--queue", "wanted", multiple=True, metavar="NAMES", help="Serve only these: repeatable, or a,b,c.")
@click.option("-X", "--exclude-queue", "excluded", multiple=True, metavar="NAMES", help="Do not serve these.")
@click.option("-n", "--name", help="Of the worker, for people. Default: host and process id.")
@click.option("-b", "--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option("-l", "--log-level", type=click.Choice(["debug", "info", "warning", "error", "critical"]))
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--grace", metavar="DURATION", help="How long running tasks may go on when it is told to stop.")
@click.option("--max-tasks-per-child", "max_tasks", type=click.IntRange(1), help="Replace a process after so many.")
@click.option("--max-memory-per-child", metavar="SIZE", help="Replace a process that uses more than, say, 300MiB.")
@app_option
@click.pass_obj
def run(target: Target, /, **options: Any) -> None:
    """Run workers until SIGTERM or Ctrl-C.

    Running tasks then finish within the grace (25 s); the second time they are handed back at once.
    """
    if os.name != "posix":
        raise click.ClickException("qtasks run needs Linux or macOS.\nCall app.run_forever() in your program here.")
    with handled(end_at_once):
        from qtasks.cli.serve import serve

        status = serve(target, options)
    click.get_current_context().exit(status)
