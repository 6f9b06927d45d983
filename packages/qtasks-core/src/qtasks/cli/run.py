"""`qtasks run`: starts the supervisor of worker processes."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import click

from qtasks._version import __version__
from qtasks.app import logs
from qtasks.app.child import ChildOptions
from qtasks.cli.doctor import advise
from qtasks.cli.target import Target, app_option
from qtasks.errors import ConfigError, did_you_mean
from qtasks.options import check_name, seconds
from qtasks.supervisor.supervisor import Supervisor
from qtasks.worker.counters import rss_bytes

log = logging.getLogger("qtasks.run")


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
    style, level = options["log_format"], options["log_level"]
    logs.configure(style, level)
    app = target.load()
    logs.configure(style, level, app.config)
    if options["grace"] is not None:
        app.config.grace = seconds(options["grace"], "--grace")
    wanted, excluded = _names(options["wanted"], "-Q"), _names(options["excluded"], "-X")
    served = _served(app.tasks.queues(), wanted, excluded)
    worker = {name: options[name] for name in ("concurrency", "burst", "max_tasks") if options[name]}
    if wanted or excluded:
        worker["queues"] = served
    if options["max_memory_per_child"] is not None:
        worker["max_memory_bytes"] = _bytes(options["max_memory_per_child"])
    spec, name, processes = str(target.app_spec), options["name"], options["processes"]

    def command(seat: int) -> list[str]:
        named = {} if name is None else {"name": name if processes == 1 else f"{name}-{seat}"}
        return ChildOptions(spec, worker | named, app.config.grace, style, level).command()

    app.runtime.run_blocking(lambda link: link.open())
    facts = {
        "app": spec,
        "broker": app.broker.url,
        "storage": app.storage.url,
        "plugins": [plugin.name for plugin in app.plugins if plugin.state == "loaded"],
        "queues": served,
        "tasks": app.tasks.names(),
        "concurrency": options["concurrency"] or app.config.max_tasks_process,
        "processes": processes,
    }
    _say_hello(style, facts)
    for url, advice in app.runtime.run_blocking(advise):
        if advice.state != "ok":
            log.warning("%s: %s. %s", url, advice.found, advice.mend)
    try:
        status = Supervisor(app.runtime, command, processes=processes, burst=options["burst"]).run()
    finally:
        app.runtime.run_blocking(lambda link: link.close())
    click.get_current_context().exit(status)


def _names(given: Iterable[str], option: str) -> list[str]:
    return [check_name(name.strip(), option) for names in given for name in names.split(",")]


def _served(known: Sequence[str], wanted: Sequence[str], excluded: Sequence[str]) -> list[str]:
    """The queues to serve: those asked for, or those of the application's tasks."""
    for name in sorted({*wanted, *excluded}.difference(known)):
        mend = did_you_mean(name, known) or f"There are: {', '.join(known) or 'none'}."
        if name in excluded:
            raise click.UsageError(f"-X {name}: no task waits in such a queue. {mend}")
        log.warning("-Q %s: no task here waits in such a queue. %s", name, mend)  # those of another version may
    served = [name for name in wanted or known if name not in excluded]
    if not served and known:
        raise click.UsageError("-X leaves no queue to serve.")
    if not served:
        mend = "Add @app.task functions in its module, or import the modules that have them."
        raise ConfigError("The application has no tasks, so there is no queue to serve.", mend)
    return served


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmg])(i?b)?", text.lower(), re.ASCII)
    if match is None:
        raise click.UsageError(f"--max-memory-per-child: {text!r} is no size; write it like 300MiB or 2GiB.")
    unit: int = (1000 if match[3] == "b" else 1024) ** " kmg".index(match[2])
    size, needed = round(float(match[1]) * unit), rss_bytes()
    if size <= needed:
        raise click.UsageError(f"--max-memory-per-child: {text} is too little: an idle process has {needed >> 20} MiB.")
    return size


def _say_hello(style: logs.Style, facts: dict[str, Any]) -> None:
    """The banner; where programs read the log, one line of it."""
    if style == "json":
        log.info("QTasks %s starts", __version__, extra=facts)
        return
    click.echo(f"QTasks {__version__}", err=True)
    for label, value in facts.items():
        click.echo(f"  {label:<12} {', '.join(value) if isinstance(value, list) else value}", err=True)
