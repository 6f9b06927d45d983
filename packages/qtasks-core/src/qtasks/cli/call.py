"""`qtasks call`: add a task by its name, from a shell."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click
import msgspec

from qtasks.cli.target import Target, target_options
from qtasks.errors import did_you_mean
from qtasks.options import CallOptions
from qtasks.runtime import Call
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
    if not task.strip():
        raise click.UsageError("TASK is empty; it is the name of a task.")
    app = target.connect()
    args, kwargs = parse(arguments)
    wanted = Call(task, tuple(args), kwargs, CallOptions(**options), app.tasks.find(task))
    if wanted.definition is None and (known := app.tasks.names()):
        note = f"{task!r} is not registered in {target.app_spec}; it waits for a worker that knows it."
        click.echo(f"{note} {did_you_mean(task, known)}".rstrip(), err=True)
    [added] = app.runtime.run_blocking(lambda link: app.runtime.producer.send(link, [wanted]))
    if wanted.options.timeout is not None:
        with suppress(KeyboardInterrupt):  # who loses patience is told the id, like at the end of the time
            added.wait_result(wanted.options.timeout)
    ended, succeeded = added.status.terminal, added.status is TaskStatus.SUCCESS
    if json:
        click.echo(as_json({"id": added.id, "status": added.status, "result": added.returning, "error": added.error}))
    elif succeeded:
        click.echo(as_json(added.returning))
    elif wanted.options.timeout is None:
        click.echo(added.id)
    if wanted.options.timeout is not None and not succeeded:
        what = f"ended with status {added.status}: {printable(added.error)}" if ended else "has not ended yet"
        look = target.command(f"stats inspect task {added.id}")
        raise click.ClickException(f"Task {added.id} {what}.\nIts state and result: {look}")


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
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        if text.startswith(("[", "{", '"')):
            raise click.UsageError(f"{text[:60]!r} begins like JSON but is none: {error}.") from error
        return text
