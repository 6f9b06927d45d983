"""`qtasks call`: add a task by its name, from a shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from qtasks.app.application import Application
from qtasks.cli.target import Target, target_options
from qtasks.options import CallOptions
from qtasks.result import Task
from qtasks.runtime import Call, Link
from qtasks.stats.render import as_json, printable
from qtasks.types import TaskStatus


@click.command()
@click.argument("task")
@click.argument("arguments", nargs=-1)
@click.option("--timeout", metavar="DURATION", help="Wait so long for the end, and print the result.")
@click.option("--queue", metavar="NAME", help="Where it waits. Default: the task's own, else default.")
@click.option("--priority", type=int, help="Lower runs first. Default: the task's own, else 0.")
@click.option("--delay", metavar="DURATION", help="Start it after this time.")
@click.option("--json", is_flag=True, help="Print id, status, result and error as JSON.")
@target_options
@click.pass_obj
def call(target: Target, /, task: str, arguments: Sequence[str], json: bool, **options: Any) -> None:
    """Add a call of TASK and print its id, or with --timeout its result.

    A JSON array among the ARGUMENTS gives positional arguments, a JSON object and NAME=VALUE give keyword
    arguments; anything else is one positional argument. Values are JSON, or text where they are none:

    \b
        qtasks call add '[2, 3]'
        qtasks call add 2 3 --timeout 10s
        qtasks call greet name=Ada times=2
    """  # noqa: D301 - click's mark of a block
    app = target.connect()
    args, kwargs = parse(arguments)
    wanted = Call(task, tuple(args), kwargs, CallOptions(**options), app.tasks.find(task))
    if wanted.definition is None and len(app.tasks):
        click.echo(f"{task!r} is not registered in {target.app_spec}; it waits for a worker that knows it.", err=True)
    added = app.runtime.run_blocking(lambda link: _add(app, link, wanted))
    ended, succeeded = added.status.terminal, added.status is TaskStatus.SUCCESS
    if json:
        click.echo(as_json({"id": added.id, "status": added.status, "result": added.returning, "error": added.error}))
    elif succeeded:
        click.echo(as_json(added.returning))
    elif wanted.options.timeout is None:
        click.echo(added.id)
    if wanted.options.timeout is not None and not succeeded:
        what = f"ended with status {added.status}: {printable(added.error)}" if ended else "has not ended yet"
        raise click.ClickException(f"Task {added.id} {what}.\nLook at it: qtasks stats inspect task {added.id}")


async def _add(app: Application, link: Link, wanted: Call) -> Task[Any]:
    [task] = await app.runtime.producer.send(link, [wanted])
    if wanted.options.timeout is not None:
        await task.wait(link, wanted.options.timeout)
    return task


def parse(words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments from words of the command line."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = _value(text)
        elif isinstance(value := _value(word), dict):
            kwargs |= value
        else:
            args += value if isinstance(value, list) else [value]
    return args, kwargs


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
