"""`qtasks plugins`: what is installed, and what became of it; the commands for authors are in `authors/`."""

from __future__ import annotations

import click

from qtasks.cli.authors.check import check
from qtasks.cli.authors.new import new
from qtasks.cli.target import Target, target_options
from qtasks.stats.inspect import plugins_list


@click.group()
def plugins() -> None:
    """Show which plugins are installed, and how they fare; begin and check one of your own."""


@plugins.command("list")
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@target_options
@click.pass_obj
def show(target: Target, json: bool) -> None:
    """Show every plugin: loaded, left out, or failed, with the reason.

    Without an application these are the installed ones; with -A also those that it adds itself.
    """
    click.echo(plugins_list(target.connect().plugins, json))


plugins.add_command(new)
plugins.add_command(check)
