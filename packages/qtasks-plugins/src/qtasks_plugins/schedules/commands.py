"""`qtasks schedule`: schedules on a terminal, read and changed in the storage; what it does is in `control.py`."""

from __future__ import annotations

import click
from qtasks.cli.target import Target, target_options
from qtasks.stats.render import as_json, table

from qtasks_plugins.schedules import control

COLUMNS = "name task expression zone next last outcome missed skipped paused"

as_json_option = click.option("--json", is_flag=True, help="Print JSON.")


@click.group()
def schedule() -> None:
    """Look at schedules, pause or trigger them.

    They are read from the storage, where each worker and timer notes those that it has when it starts.
    """


@schedule.command()
@as_json_option
@target_options
@click.pass_obj
def ls(target: Target, json: bool) -> None:
    """List all schedules."""
    app = target.connect()
    facts = app.runtime.run_blocking(lambda link: control.section(app, link, ()))
    click.echo(as_json(facts) if json else table(facts, COLUMNS, f"No schedules of {app.name} in {app.storage.url}."))


@schedule.command("next")
@click.argument("names", nargs=-1)
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@as_json_option
@target_options
@click.pass_obj
def next_slots(target: Target, names: tuple[str, ...], count: int, json: bool) -> None:
    """Show when the schedules NAMES, or all of them, enqueue next."""
    app = target.connect()
    facts = app.runtime.run_blocking(lambda link: control.coming(app, link, names, count))
    click.echo(as_json(facts) if json else table(facts, "next name", "Nothing is to come."))


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@target_options
@click.pass_obj
def pause(target: Target, names: tuple[str, ...]) -> None:
    """Let the slots of schedules pass without effect, on all workers and timers."""
    app = target.connect()
    app.runtime.run_blocking(lambda link: control.set_paused(app, link, names, paused=True))
    click.echo(f"Paused {', '.join(names)}.")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@target_options
@click.pass_obj
def resume(target: Target, names: tuple[str, ...]) -> None:
    """Go on with paused schedules, from the next slot on."""
    app = target.connect()
    app.runtime.run_blocking(lambda link: control.set_paused(app, link, names, paused=False))
    click.echo(f"Resumed {', '.join(names)}.")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@target_options
@click.pass_obj
def trigger(target: Target, names: tuple[str, ...]) -> None:
    """Enqueue a call of each of these schedules now, also of a paused one, and print the ids."""
    app = target.connect()
    for task in app.runtime.run_blocking(lambda link: control.trigger(app, link, names)):
        click.echo(task.id)
