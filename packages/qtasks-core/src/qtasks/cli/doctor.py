"""`qtasks doctor`: is everything in place for tasks to be run? Each finding comes with its mend."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from typing import Literal

import attrs
import click

from qtasks._version import __version__
from qtasks.app.application import Application
from qtasks.cli.advice import advise
from qtasks.cli.commands import UNHEALTHY
from qtasks.cli.target import Target, target_options
from qtasks.errors import BackendError, QTasksError
from qtasks.ports import Advice
from qtasks.runtime import Link
from qtasks.stats.render import as_json
from qtasks.stats.snapshot import Snapshot, look
from qtasks.types import US_PER_S

PROBE = "qtasks-doctor"
"""The shared value that is written and deleted again to see whether the storage can be written."""

SKEW_S = 2
"""How far the clocks of two machines may be apart."""


@attrs.frozen
class Finding:
    """One thing that was looked at.

    Args:
        state: `ok`; `warning` for what may be meant so; `problem` for what keeps tasks from being run.
        check: what was looked at.
        found: how it is.
        mend: the line that mends it; empty when nothing is to be mended.
    """

    state: Literal["ok", "warning", "problem"]
    check: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f"\n{'':<23}-> {self.mend}" if self.mend else ""
        return f"{self.state:<9}{self.check:<14}{self.found}{mend}"


@click.command()
@click.option("--json", is_flag=True, help="Print JSON.")
@target_options
@click.pass_obj
def doctor(target: Target, json: bool) -> None:
    """Check the application, broker and storage, workers and queues; exit code 3 when there is a problem."""
    findings = list(examine(target))
    click.echo(as_json(findings) if json else "\n".join(map(str, findings)))
    if any(finding.state == "problem" for finding in findings):
        click.get_current_context().exit(UNHEALTHY)


def examine(target: Target) -> Iterator[Finding]:
    """Look at everything; what a problem before keeps from being looked at is left out."""
    python = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
    yield Finding("ok", "versions", f"qtasks {__version__}, {python}")
    try:
        app = target.connect()
        yield Finding("ok", "application", f"{app.name} with {len(app.tasks)} tasks")
        snapshot, advised = app.runtime.run_blocking(lambda link: _probe(app, link))
    except QTasksError as error:
        check = "broker" if isinstance(error, BackendError) else "application"
        yield Finding("problem", check, error.message, error.hint)
        return
    yield Finding("ok", "broker", f"{app.broker.url} answers")
    yield Finding("ok", "storage", f"{app.storage.url} can be written")
    for plugin in app.plugins:
        if plugin.state == "failed":
            yield Finding("warning", "plugins", f"{plugin.name}: {plugin.reason}", target.command("plugins list"))
    for url, advice in advised:
        yield Finding(advice.state, url.partition(":")[0], advice.found, advice.mend)
    run = "qtasks -A module:var run" if target.app_spec is None else target.command("run")
    yield from _service(snapshot, run)
    if groups := snapshot.about_dead_letters():
        found = f"{sum(group.count for group in groups)} were not replayed"
        yield Finding("warning", "dead letters", found, target.command("stats inspect dlq"))


async def _probe(app: Application, link: Link) -> tuple[Snapshot, list[tuple[str, Advice]]]:
    for value in (b"1", None):
        _, version = await link.storage.load_value(PROBE)
        await link.storage.save_value(PROBE, value, version, ttl_s=60)
    return await look(app, link), await advise(link)


def _service(snapshot: Snapshot, run: str) -> Iterator[Finding]:
    """Who serves: the workers, and the queues that wait for one."""
    if slots := sum(worker.slots for worker in snapshot.workers):
        yield Finding("ok", "workers", f"{len(snapshot.workers)} running with {slots} slots")
    else:
        yield Finding("warning", "workers", "None is running", run)
    for worker in snapshot.workers:
        if worker.beat > snapshot.taken + SKEW_S * US_PER_S:
            yield Finding("warning", "clock", f"That of {worker.host} is ahead of ours", "Synchronise both by NTP.")
    for queue in snapshot.about_queues():
        waiting = f"{queue.name}: {queue.ready} waiting, {queue.delayed} delayed"
        if (queue.ready or queue.delayed) and not queue.consumers:
            state: Literal["problem", "warning"] = "problem" if queue.ready else "warning"
            yield Finding(state, "queues", f"{waiting}, and no worker serves it", f"{run} -Q {queue.name}")
        elif (queue.ready or queue.delayed) and queue.paused:
            yield Finding("warning", "queues", f"{waiting}, and it is paused")
