"""`qtasks audit`: the trail on a terminal."""

from __future__ import annotations

import datetime as dt
from collections import deque

import click

from qtasks_audit.trail import Trail


@click.command()
@click.option("--by", metavar="WHO", help="Only tasks that WHO added.")
@click.option("--limit", default=20, show_default=True, help="How many, the newest.")
def audit(by: str | None, limit: int) -> None:
    """Show who had which tasks run."""
    for line in deque((line for line in Trail.from_environment().read() if by in {None, line.by}), maxlen=limit):
        ended = dt.datetime.fromtimestamp(line.updated / 1_000_000, tz=dt.UTC)
        click.echo(f"{ended:%Y-%m-%d %H:%M:%S} UTC  {line.by}  {line.task}  {line.id}  {line.status}")
