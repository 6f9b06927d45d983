"""`qtasks dlq`: dead letters, one by one or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from qtasks.app import dead_letters
from qtasks.app.application import Application
from qtasks.cli.target import Target, target_options
from qtasks.errors import TaskNotRegisteredError
from qtasks.ports import BackendContext
from qtasks.runtime import Link
from qtasks.stats.dead_letters import letter_of
from qtasks.stats.facts import DeadLetter
from qtasks.stats.inspect import as_task_id
from qtasks.stats.render import as_json, table
from qtasks.types import TaskStatus

COLUMNS = "id died task queue group error"

CHOICE = (
    click.Argument(["ids"], nargs=-1),
    click.Option(["--all", "every"], is_flag=True, help="All of them."),
    click.Option(["--task"], help="Those of one task."),
    click.Option(["--group"], help="Those that died alike: GROUP as `ls` shows it."),
    click.Option(["-y", "--yes"], is_flag=True, help="Do not ask."),
    click.Option(["--dry-run"], is_flag=True, help="Show the letters and change nothing."),
)
"""Which letters a command changes, and how careful it is."""


@click.group()
def dlq() -> None:
    """Look at dead letters, replay or drop them.

    A dead letter is a task that could not run to an end: its message cannot be read, no worker knew it for a
    day, or its worker died three times.
    """


@dlq.command()
@click.option("--group", help="Those that died alike.")
@click.option("--task", help="Those of one task.")
@click.option("--json", is_flag=True, help="Print JSON.")
@target_options
@click.pass_obj
def ls(target: Target, /, json: bool, **which: str | None) -> None:
    """List those that were not replayed, the newest first.

    `qtasks stats inspect task ID` shows all of one, `qtasks stats inspect dlq` how many died of what.
    """
    app = target.connect()
    letters = app.runtime.run_blocking(lambda link: _find(link, **which))
    empty = f"No dead letters of {app.name} in {app.broker.url}."
    click.echo(as_json(letters) if json else table(letters, COLUMNS, empty))


@dlq.command(params=[*CHOICE])
@target_options
@click.pass_obj
def replay(target: Target, /, **choice: Any) -> None:
    """Run dead letters once more.

    Each becomes a new task with the same message, due at once, that names the old one as its parent.
    """
    app, ids = _choose(target, "Replay", **choice)
    answers = app.runtime.run_blocking(lambda link: dead_letters.replay(app.runtime, link, ids))
    click.echo(table(answers, "id child refused", ""))
    if any(answer.refused for answer in answers):
        raise click.ClickException("Some were not replayed; the table says why.")


@dlq.command(params=[*CHOICE])
@target_options
@click.pass_obj
def drop(target: Target, /, **choice: Any) -> None:
    """Remove dead letters for good."""
    app, ids = _choose(target, "Drop", **choice)
    count = app.runtime.run_blocking(lambda link: dead_letters.drop(link, ids))
    click.echo(f"Dropped {count}.")


async def _find(link: Link, task: str | None, group: str | None) -> list[DeadLetter]:
    """The dead letters that were not replayed, the newest first."""
    records = await link.storage.find(status=TaskStatus.DEAD, task=task, limit=BackendContext().dead_letter_cap)
    return [letter for letter in map(letter_of, records) if letter.child is None and group in {None, letter.group}]


def _choose(
    target: Target, verb: str, ids: Sequence[str], every: bool, yes: bool, dry_run: bool, **which: str | None
) -> tuple[Application, list[str]]:
    """The application, and the ids of the letters that a command changes; the user has agreed."""
    if not (ids or every or any(which.values())):
        raise click.UsageError("Say which: their ids, --task NAME, --group GROUP, or --all.")
    app = target.connect()
    letters = {letter.id: letter for letter in app.runtime.run_blocking(lambda link: _find(link, **which))}
    if unknown := [each for each in ids if as_task_id(each) not in letters]:
        raise TaskNotRegisteredError(f"No such dead letter: {', '.join(unknown)}.", f"See {target.command('dlq ls')}")
    chosen = [as_task_id(each) or "" for each in ids] or list(letters)
    if dry_run or not yes or not chosen:
        click.echo(table([letters[each] for each in chosen], COLUMNS, "There are none."))
    if dry_run or not chosen:
        click.get_current_context().exit()
    if not yes:
        click.confirm(f"{verb} {len(chosen)}?", abort=True)
    return app, chosen
