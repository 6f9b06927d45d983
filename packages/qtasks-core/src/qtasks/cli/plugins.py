"""`qtasks plugins`: what is installed, and what became of it."""

from __future__ import annotations

import click

from qtasks.cli.target import Target, target_options
from qtasks.stats.inspect import plugins_list


@click.group()
def plugins() -> None:
    """Show which plugins are installed, and how they fare."""


@plugins.command("list")
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@target_options
@click.pass_obj
def show(target: Target, json: bool) -> None:
    """Show every plugin: loaded, left out, or failed, with the reason.

    Without an application these are the installed ones; with -A also those that it adds itself.
    """
    click.echo(plugins_list(target.connect().plugins, json))
