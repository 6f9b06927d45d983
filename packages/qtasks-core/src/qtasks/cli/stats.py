"""`qtasks stats`: what `qtasks.stats` tells, on a terminal."""

from __future__ import annotations

import time

import click

from qtasks.cli.target import Target, target_options
from qtasks.options import seconds
from qtasks.stats.inspect import SyncStats, as_task_id
from qtasks.stats.render import anything, as_json
from qtasks.stats.sections import ASPECTS, sections


class Inspect(click.Command):
    """Its help also lists the sections that installed plugins bring."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List them below the options."""
        from qtasks.hooks import HookRegistry, discover
        from qtasks.runtime import drive

        registry = HookRegistry()
        discover(registry)
        if found := drive(sections(registry.dispatch)):
            with formatter.section("Sections of plugins"):
                formatter.write_dl(sorted((name, section.help) for name, section in found.items()))


@click.group()
def stats() -> None:
    """Look inside: queues, tasks, workers, plugins, dead letters."""


@stats.command("inspect", cls=Inspect)
@click.argument("aspect")
@click.argument("names", nargs=-1)
@click.option("--json", "json", is_flag=True, help="Print JSON; json=true among the names does the same.")
@click.option("-w", "--watch", metavar="DURATION", help="Look again and again, each time after so long.")
@target_options
@click.pass_obj
def inspect(target: Target, aspect: str, names: tuple[str, ...], json: bool, watch: str | None) -> None:
    """Show queues, tasks, workers and more.

    ASPECT is app, task, tasks, queues, workers, plugins, dlq, or a section that a plugin brings. NAMES are those of
    tasks: `task` takes one name or the id of one task, `tasks` any number of names; a section knows what its own mean.

    \b
        qtasks -A app:app stats inspect queues --watch 2s
        qtasks -A app:app stats inspect task 0b6e3a52c1d84f7fa7d5c86f3b1f0c11
    """  # noqa: D301 - click's mark of a block
    wanted = [name for name in names if name not in {"json=true", "json=false"}]
    if aspect in ASPECTS and len(wanted) != (aspect == "task") and aspect != "tasks":
        raise click.UsageError("`task` takes one name or one id, `tasks` any number of names, the other aspects none.")
    pause_s = None if watch is None else max(0.1, seconds(watch, "--watch"))
    found = SyncStats(target.connect())
    while True:
        text = _text(found, aspect, wanted, json=json or "json=true" in names)
        if pause_s is not None:
            click.clear()
        click.echo(text)
        if pause_s is None:
            return
        time.sleep(pause_s)


def _text(found: SyncStats, aspect: str, names: list[str], *, json: bool) -> str:
    if aspect not in ASPECTS:
        facts = found.section(aspect, *names)
        return as_json(facts) if json else anything(facts)
    answer = found.inspect(*filter(as_task_id, names))
    text: str = getattr(answer, aspect)(*names, json=json)
    return text
