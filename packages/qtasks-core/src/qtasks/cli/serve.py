"""What `qtasks run` does: checks its options, looks at the application, and has the supervisor run workers of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

import click

from qtasks._version import __version__
from qtasks.app import logs
from qtasks.app.child import ChildOptions
from qtasks.cli.advice import advise
from qtasks.cli.target import Target
from qtasks.errors import ConfigError, did_you_mean
from qtasks.options import check_name, seconds
from qtasks.supervisor.supervisor import Supervisor
from qtasks.worker.counters import rss_bytes

log = logging.getLogger("qtasks.run")


def serve(target: Target, options: dict[str, Any]) -> int:
    """Run workers until they are to stop.

    Args:
        target: which application.
        options: of the command line.

    Returns:
        the exit status.
    """
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
    supervisor = Supervisor(app.runtime, command, processes=processes, burst=options["burst"], typed=target.command)
    try:
        return supervisor.run()
    finally:
        app.runtime.run_blocking(lambda link: link.close())


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
